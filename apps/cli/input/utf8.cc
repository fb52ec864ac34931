#include "input/utf8.h"

#include <algorithm>
#include <cstring>

#include "fail.h"

namespace treble::cli {

namespace {

constexpr std::string_view kReplacement = "\xEF\xBF\xBD";
constexpr std::string_view kReplacementEscape = "\\ufffd";
constexpr std::size_t kEscapeSize = 6;  // \uXXXX

/// What may follow a lead byte: how many bytes, and the range of the first of them (table 3-7 of the standard).
struct Continuation {
  std::size_t count = 0;
  unsigned char low = 0x80;
  unsigned char high = 0xBF;
};

std::optional<Continuation> continuation_of(unsigned char lead) {
  if (lead >= 0xC2 && lead <= 0xDF) return Continuation{1};
  if (lead == 0xE0) return Continuation{2, 0xA0};
  if (lead == 0xED) return Continuation{2, 0x80, 0x9F};
  if (lead >= 0xE1 && lead <= 0xEF) return Continuation{2};
  if (lead == 0xF0) return Continuation{3, 0x90};
  if (lead >= 0xF1 && lead <= 0xF3) return Continuation{3};
  if (lead == 0xF4) return Continuation{3, 0x80, 0x8F};
  return std::nullopt;
}

std::size_t skip_ascii(std::string_view bytes, std::size_t at) {
  constexpr std::uint64_t kHighBits = 0x8080808080808080U;
  std::uint64_t word = 0;
  while (at + sizeof(word) <= bytes.size()) {
    std::memcpy(&word, bytes.data() + at, sizeof(word));
    if ((word & kHighBits) != 0) break;
    at += sizeof(word);
  }
  while (at < bytes.size() && static_cast<unsigned char>(bytes[at]) < 0x80) ++at;
  return at;
}

std::uint64_t line_of(std::string_view bytes, std::size_t offset, const Place& place) {
  const auto end = bytes.begin() + static_cast<std::ptrdiff_t>(offset);
  return place.line + static_cast<std::uint64_t>(std::count(bytes.begin(), end, '\n'));
}

[[noreturn]] void fail_utf8(std::string_view bytes, const Utf8Fault& fault, const Place& place) {
  const auto byte = [&](std::size_t at) { return at < bytes.size() ? static_cast<unsigned char>(bytes[at]) : 0U; };
  fail(ErrorCode::invalid_file,
       "{}:{}: not valid UTF-8: byte 0x{:02x} at offset {} of the file; --invalid-utf8=replace puts U+FFFD there",
       *place.file, line_of(bytes, fault.offset, place), byte(fault.offset), place.offset + fault.offset);
}

/// The code unit of the escape \uXXXX at `at`, or nothing when there is no such escape.
std::optional<unsigned> escaped_unit(std::string_view json, std::size_t at) {
  if (at + kEscapeSize > json.size() || json[at] != '\\' || json[at + 1] != 'u') return std::nullopt;
  unsigned unit = 0;
  for (const char c : json.substr(at + 2, 4)) {
    const auto digit = std::string_view("0123456789abcdef").find(static_cast<char>(c >= 'A' && c <= 'F' ? c + 32 : c));
    if (digit == std::string_view::npos) return std::nullopt;
    unit = unit * 16 + static_cast<unsigned>(digit);
  }
  return unit;
}

bool is_high(unsigned unit) { return unit >= 0xD800 && unit <= 0xDBFF; }
bool is_low(unsigned unit) { return unit >= 0xDC00 && unit <= 0xDFFF; }

/// The offset of the first lone surrogate at or after `from`; npos when there is none. `from` must not lie inside an
/// escape.
std::size_t find_lone_surrogate(std::string_view json, std::size_t from) {
  for (auto at = json.find('\\', from); at != std::string_view::npos; at = json.find('\\', at)) {
    const auto unit = escaped_unit(json, at);
    if (!unit) {
      at += 2;
    } else if (is_high(*unit) && is_low(escaped_unit(json, at + kEscapeSize).value_or(0))) {
      at += 2 * kEscapeSize;
    } else if (is_high(*unit) || is_low(*unit)) {
      return at;
    } else {
      at += kEscapeSize;
    }
  }
  return std::string_view::npos;
}

}  // namespace

std::optional<Utf8Fault> find_invalid_utf8(std::string_view bytes, std::size_t from) {
  std::size_t at = skip_ascii(bytes, from);
  while (at < bytes.size()) {
    auto next = continuation_of(static_cast<unsigned char>(bytes[at]));
    if (!next) return Utf8Fault{at, 1};
    std::size_t length = 1;
    for (; next->count > 0; --next->count, ++length) {
      const auto byte = at + length < bytes.size() ? static_cast<unsigned char>(bytes[at + length]) : 0U;
      if (byte < next->low || byte > next->high) return Utf8Fault{at, length};
      next->low = 0x80;
      next->high = 0xBF;
    }
    at = skip_ascii(bytes, at + length);
  }
  return std::nullopt;
}

std::int64_t repair_utf8(std::string& bytes, const Place& place, InvalidUtf8 policy) {
  auto fault = find_invalid_utf8(bytes);
  if (!fault) return 0;
  if (policy == InvalidUtf8::error) fail_utf8(bytes, *fault, place);
  std::string repaired;
  std::int64_t replaced = 0;
  std::size_t copied = 0;
  for (; fault; fault = find_invalid_utf8(bytes, copied)) {
    repaired.append(bytes, copied, fault->offset - copied).append(kReplacement);
    copied = fault->offset + fault->length;
    ++replaced;
  }
  repaired.append(bytes, copied);
  bytes = std::move(repaired);
  return replaced;
}

std::int64_t repair_lone_surrogates(std::string& json, const Place& place, InvalidUtf8 policy) {
  std::int64_t replaced = 0;
  for (auto at = find_lone_surrogate(json, 0); at != std::string::npos; at = find_lone_surrogate(json, at)) {
    if (policy == InvalidUtf8::error) {
      fail(ErrorCode::invalid_file,
           "{}:{}: not valid Unicode: {} at offset {} of the file is half of a surrogate pair; "
           "--invalid-utf8=replace puts U+FFFD there",
           *place.file, line_of(json, at, place), json.substr(at, kEscapeSize), place.offset + at);
    }
    json.replace(at, kEscapeSize, kReplacementEscape);
    ++replaced;
  }
  return replaced;
}

}  // namespace treble::cli
