// The page that a browser sees at "/": apps/web/page, built and compiled in (cmake/TreblePages.cmake).
#pragma once

#include <span>
#include <string_view>

#include "http/http_message.h"

namespace treble::server {

/// A file of the page.
struct Asset {
  const char* path;  ///< of the request: "/", "/app.js"
  const char* content_type;
  std::string_view bytes;
  std::string_view etag;  ///< with its quotes: changes when the bytes do
};

/// All of them; the page fetches nothing else but the API's own routes.
std::span<const Asset> page_assets();

/// The answer to a GET or HEAD for `asset`: 200, or 304 where the client has it (If-None-Match). The policy that goes
/// with it allows scripts, styles and requests of this server alone, and no frame around the page.
HttpResponse page_response(const Asset& asset, const HttpRequest& request);

}  // namespace treble::server
