// Random matrices and comparisons for the kernels' tests.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <random>
#include <vector>

#include "kernels/quantize_ops.h"
#include "tensor/view.h"

namespace treble::internal::test {

/// Normal values of a given spread, the same for the same seed.
inline std::vector<float> random_values(std::int64_t count, unsigned seed, float spread = 1.0F) {
  std::mt19937 generator(seed);
  std::normal_distribution<float> normal(0.0F, spread);
  std::vector<float> values(static_cast<std::size_t>(count));
  for (float& value : values) value = normal(generator);
  return values;
}

inline std::vector<std::uint16_t> to_halves(const std::vector<float>& values) {
  std::vector<std::uint16_t> halves(values.size());
  to_bfloat16(values, halves);
  return halves;
}

inline std::vector<float> to_floats(const std::vector<std::uint16_t>& halves) {
  std::vector<float> values(halves.size());
  from_bfloat16(halves, values);
  return values;
}

inline double greatest_difference(ConstMatrixView a, ConstMatrixView b) {
  double greatest = 0;
  for (std::int64_t row = 0; row < a.rows; ++row) {
    for (std::int64_t col = 0; col < a.cols; ++col) {
      const double difference = std::abs(double{a.row(row)[col]} - double{b.row(row)[col]});
      greatest = std::isnan(difference) ? HUGE_VAL : std::max(greatest, difference);
    }
  }
  return greatest;
}

}  // namespace treble::internal::test
