#include "tensor/half.h"

#include <bit>
#include <cmath>

namespace treble::internal {

std::uint16_t float_to_half(float value) noexcept {
  constexpr std::uint32_t kInfinity = 0x7F800000U;
  const auto bits = std::bit_cast<std::uint32_t>(value);
  const auto sign = static_cast<std::uint16_t>((bits >> 16) & 0x8000U);
  const std::uint32_t magnitude = bits & 0x7FFFFFFFU;
  if (magnitude > kInfinity) return sign | 0x7E00U;
  if (magnitude >= std::bit_cast<std::uint32_t>(65520.0F)) return sign | 0x7C00U;
  // Below the normal numbers the bits count 2^-24.
  if (magnitude < std::bit_cast<std::uint32_t>(0x1p-14F)) {
    return sign | static_cast<std::uint16_t>(std::nearbyint(std::bit_cast<float>(magnitude) * 0x1p24F));
  }
  // Thirteen bits fewer; the exponent's bias is 15 instead of 127, and what is rounded up may carry into it.
  const std::uint32_t rounded = magnitude + 0xFFFU + ((magnitude >> 13) & 1U);
  return sign | static_cast<std::uint16_t>((rounded >> 13) - (std::uint32_t{127 - 15} << 10));
}

}  // namespace treble::internal
