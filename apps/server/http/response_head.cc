#include "http/response_head.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <boost/beast/http/status.hpp>
#include <ctime>
#include <iterator>

namespace treble::server {

namespace {

/// "Sun, 06 Nov 1994 08:49:37 GMT", made once a second.
const std::string& http_date() {
  thread_local std::time_t second = -1;
  thread_local std::string text;
  if (const std::time_t now = std::time(nullptr); now != second) {
    second = now;
    text = fmt::format("{:%a, %d %b %Y %H:%M:%S} GMT", fmt::gmtime(now));
  }
  return text;
}

void append_header(std::string& head, std::string_view name, std::string_view value) {
  const auto append = [&](std::string_view text) {
    for (const char c : text) head += static_cast<unsigned char>(c) < ' ' || c == '\x7f' ? ' ' : c;
  };
  append(name);
  head += ": ";
  append(value);
  head += "\r\n";
}

}  // namespace

bool has_no_body(int status) noexcept { return status < 200 || status == 204 || status == 304; }

std::string_view reason_phrase(int status) noexcept {
  if (status == 499) return "Client Closed Request";
  const auto known = boost::beast::http::int_to_status(static_cast<unsigned>(status));
  if (known == boost::beast::http::status::unknown) return "Unknown";
  const auto reason = boost::beast::http::obsolete_reason(known);
  return {reason.data(), reason.size()};
}

std::string response_head(const HttpResponse& response, ResponseForm form) {
  std::string head;
  head.reserve(512);
  fmt::format_to(std::back_inserter(head), "HTTP/1.1 {} {}\r\nServer: treble\r\nDate: {}\r\n", response.status,
                 reason_phrase(response.status), http_date());
  if (!has_no_body(response.status)) {
    if (!response.content_type.empty()) append_header(head, "Content-Type", response.content_type);
    fmt::format_to(std::back_inserter(head), "Content-Length: {}\r\n", response.body.size());
  }
  if (!form.keep_alive) {
    head += "Connection: close\r\n";
  } else if (form.http_1_0) {
    head += "Connection: keep-alive\r\n";
  }
  for (const auto& [name, value] : response.headers) append_header(head, name, value);
  head += "\r\n";
  return head;
}

}  // namespace treble::server
