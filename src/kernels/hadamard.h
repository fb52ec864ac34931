// Walsh–Hadamard rotation of rows before quantization.
#pragma once

#include <algorithm>
#include <cstdint>
#include <span>

namespace treble::internal {

/// Multiplies each block of `block` numbers (a power of two that divides their count) by the Walsh–Hadamard matrix of
/// that size: H Hᵀ = block · I; `y` may be x. An outlier is spread over all of its block, so that quantization to few
/// bits loses less (as in QuaRot; Ashkboos et al., arXiv 2404.00456).
void hadamard_transform(std::int64_t block, std::span<const float> x, std::span<float> y);

/// The block that rows of `width` numbers are rotated by: the largest power of two that divides the width, up to 128.
/// Larger blocks keep vectors no closer to float32's, and take more steps.
constexpr std::int64_t hadamard_block(std::int64_t width) { return std::min<std::int64_t>(128, width & -width); }

/// One row by blocks of that size.
void hadamard_rotate(std::span<const float> x, std::span<float> rotated);
/// Of bfloat16.
void hadamard_rotate(std::span<const std::uint16_t> x, std::span<float> rotated);

}  // namespace treble::internal
