// 2^r for the softmax of attention in tiles.
#pragma once

#include <array>

namespace treble::internal::simd {

/// Coefficients of r⁰ to r³: the minimax approximation of 2^r on [0, 1), relative error 1.0e-4, a twentieth of what
/// rounding to bfloat16 costs.
inline constexpr std::array<float, 4> kExp2Polynomial = {9.9992522e-1F, 6.9583354e-1F, 2.2606716e-1F, 7.8024523e-2F};

}  // namespace treble::internal::simd
