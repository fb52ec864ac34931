// Where characters begin in UTF-8.
#pragma once

#include <cstddef>
#include <string_view>

namespace treble::internal {

/// Whether a byte is inside a character, so that text must not be cut before it.
constexpr bool is_utf8_continuation(char byte) noexcept { return (static_cast<unsigned char>(byte) & 0xC0U) == 0x80U; }

/// The longest beginning of at most `max_bytes` bytes that ends between characters.
constexpr std::string_view utf8_prefix(std::string_view text, std::size_t max_bytes) noexcept {
  if (text.size() <= max_bytes) return text;
  std::size_t end = max_bytes;
  while (end > 0 && is_utf8_continuation(text[end])) --end;
  return text.substr(0, end);
}

}  // namespace treble::internal
