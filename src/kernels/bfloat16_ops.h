// Conversions between float32 and bfloat16.
#pragma once

#include <cstdint>
#include <span>

namespace treble::internal {

/// To the nearest bfloat16, ties to even; NaN stays NaN. Equal sizes.
void to_bfloat16(std::span<const float> x, std::span<std::uint16_t> y);
/// Exact. Equal sizes.
void from_bfloat16(std::span<const std::uint16_t> x, std::span<float> y);
/// Rounded to bfloat16 and widened again.
void round_to_bfloat16(std::span<const float> x, std::span<float> y);

}  // namespace treble::internal
