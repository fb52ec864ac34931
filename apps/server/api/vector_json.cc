#include "api/vector_json.h"

#include <array>
#include <bit>
#include <charconv>
#include <cstdint>
#include <string_view>
#include <vector>

namespace treble::server {

void append_numbers(std::string& json, std::span<const float> values) {
  json += '[';
  // The longest float32: "-1.17549435e-38".
  std::array<char, 24> digits;
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (i > 0) json += ',';
    const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), values[i]).ptr;
    json.append(digits.data(), end);
  }
  json += ']';
}

void append_base64(std::string& json, std::span<const std::byte> values) {
  constexpr std::string_view kAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  const std::size_t size = values.size();
  const auto* bytes = reinterpret_cast<const unsigned char*>(values.data());
  json.reserve(json.size() + (size + 2) / 3 * 4 + 2);
  json += '"';
  for (std::size_t at = 0; at < size; at += 3) {
    const std::size_t left = size - at;
    const std::uint32_t group = static_cast<std::uint32_t>(bytes[at]) << 16 |
                                (left > 1 ? static_cast<std::uint32_t>(bytes[at + 1]) << 8 : 0U) |
                                (left > 2 ? static_cast<std::uint32_t>(bytes[at + 2]) : 0U);
    json += kAlphabet[group >> 18];
    json += kAlphabet[group >> 12 & 63];
    json += left > 1 ? kAlphabet[group >> 6 & 63] : '=';
    json += left > 2 ? kAlphabet[group & 63] : '=';
  }
  json += '"';
}

void append_vector(std::string& json, std::span<const float> vector, const Quantizer& quantizer, bool base64) {
  static_assert(std::endian::native == std::endian::little, "bytes are sent as they lie in memory");
  if (quantizer.precision() == Precision::float32) {
    return base64 ? append_base64(json, std::as_bytes(vector)) : append_numbers(json, vector);
  }
  const std::vector<std::byte> row = quantizer.quantize(vector);
  if (base64) {
    append_base64(json, row);
  } else {
    json += quantizer.json(row);
  }
}

}  // namespace treble::server
