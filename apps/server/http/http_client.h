// A small HTTP/1.1 client, for what the server itself sends: traces.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

#include "http/http_message.h"

namespace treble::server {

struct HttpUrl {
  std::string host;  ///< a name or an address; an IPv6 address without its brackets
  std::uint16_t port = 80;
  std::string path = "/";  ///< with its query
};

/// Throws Error{invalid_argument} for anything but http://HOST[:PORT][/PATH], Error{unsupported} for https.
HttpUrl parse_http_url(std::string_view url);

/// Sends `body` on a connection of its own and waits for the answer, of at most a mebibyte. Throws Error{io} naming
/// host and port when there is no connection or no HTTP answer, Error{deadline_exceeded} after `limit`.
HttpResponse post(const HttpUrl& url, const Headers& headers, const std::string& body, std::chrono::milliseconds limit);

}  // namespace treble::server
