// Status line and headers of a response.
#pragma once

#include <string>
#include <string_view>

#include "http/http_message.h"

namespace treble::server {

struct ResponseForm {
  bool keep_alive = true;  ///< false: "Connection: close"
  bool http_1_0 = false;   ///< the client speaks HTTP/1.0, which has to be told that the connection stays open
};

/// Up to and with the empty line. Control characters in headers become spaces, so that no header can add another.
std::string response_head(const HttpResponse& response, ResponseForm form);

/// Whether a response of this status has neither body nor Content-Length.
bool has_no_body(int status) noexcept;

/// "Not Found"; "Unknown" where there is no name.
std::string_view reason_phrase(int status) noexcept;

}  // namespace treble::server
