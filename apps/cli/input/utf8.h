// UTF-8 checked, and repaired where the user asks for it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace treble::cli {

/// What some programs put before UTF-8 text.
inline constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";

/// What to do with bytes that are not UTF-8, and with JSON escapes of half a surrogate pair ("\ud800").
enum class InvalidUtf8 {
  error,    ///< stop, naming the place (default)
  replace,  ///< put U+FFFD in their place and count
};

/// Where a piece of input is, for messages.
struct Place {
  const std::string* file = nullptr;  ///< never null when used
  std::uint64_t line = 1;             ///< of its first byte, from 1
  std::uint64_t offset = 0;           ///< of its first byte, in bytes from the start of the file
};

struct Utf8Fault {
  std::size_t offset = 0;
  std::size_t length = 0;  ///< the maximal subpart (Unicode 15, section 3.9), which one U+FFFD replaces
};

/// The first fault at or after `from`, or nothing.
std::optional<Utf8Fault> find_invalid_utf8(std::string_view bytes, std::size_t from = 0);

/// Makes `bytes` valid UTF-8 and returns how many U+FFFD were inserted. With InvalidUtf8::error throws
/// Error{invalid_file} naming file, line and byte offset instead.
std::int64_t repair_utf8(std::string& bytes, const Place& place, InvalidUtf8 policy);

/// The same for unpaired \uD800…\uDFFF escapes in a piece of JSON.
std::int64_t repair_lone_surrogates(std::string& json, const Place& place, InvalidUtf8 policy);

}  // namespace treble::cli
