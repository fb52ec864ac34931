#include "safetensors/message_text.h"

namespace treble::internal {

std::string for_message(std::string_view text) {
  constexpr std::size_t kLimit = 200;
  std::string shown(text.substr(0, kLimit));
  for (char& c : shown) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F) c = '?';
  }
  if (text.size() <= kLimit) return shown;
  // Do not cut through a UTF-8 character: messages travel on as JSON.
  while (!shown.empty() && (static_cast<unsigned char>(text[shown.size()]) & 0xC0U) == 0x80) shown.pop_back();
  return shown + "…";
}

}  // namespace treble::internal
