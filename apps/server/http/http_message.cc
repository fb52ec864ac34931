#include "http/http_message.h"

#include <algorithm>

namespace treble::server {

std::string_view HttpRequest::header(std::string_view name) const noexcept {
  const auto found = std::ranges::find_if(headers, [&](const auto& header) { return header.first == name; });
  return found == headers.end() ? std::string_view() : std::string_view(found->second);
}

}  // namespace treble::server
