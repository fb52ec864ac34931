// A number written out in full.
#pragma once

#include <charconv>
#include <optional>
#include <string_view>
#include <system_error>

namespace treble::internal {

/// The whole text as a number, independent of the locale; nothing for anything else, and beyond the type's range.
template <typename Number>
std::optional<Number> number_in(std::string_view text) {
  Number value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && end == text.data() + text.size() ? std::optional(value) : std::nullopt;
}

}  // namespace treble::internal
