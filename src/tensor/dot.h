// Dot products and lengths of float vectors, summed in double.
#pragma once

#include <cmath>
#include <cstddef>
#include <span>

namespace treble::internal {

/// Of two vectors of one size.
inline double dot(std::span<const float> a, std::span<const float> b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += double{a[i]} * double{b[i]};
  return sum;
}

/// What scales `vector` to length 1; 0 for zeros, which have no direction.
inline double unit_scale(std::span<const float> vector) {
  const double square = dot(vector, vector);
  return square > 0 ? 1 / std::sqrt(square) : 0;
}

}  // namespace treble::internal
