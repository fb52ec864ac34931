#include "safetensors/message_text.h"

#include "base/utf8.h"

namespace treble::internal {

std::string for_message(std::string_view text) {
  constexpr std::size_t kLimit = 200;
  // Messages travel on as JSON, so they are cut between characters.
  std::string shown(utf8_prefix(text, kLimit));
  for (char& c : shown) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F) c = '?';
  }
  return shown.size() == text.size() ? shown : shown + "…";
}

}  // namespace treble::internal
