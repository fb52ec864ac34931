// Random matrices and comparisons for the kernels' tests.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <random>
#include <vector>

#include "kernels/bfloat16_ops.h"
#include "kernels/execution.h"
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

/// An Execution with a workspace of its own: on the calling thread, or on `pool`.
class TestExecution {
 public:
  explicit TestExecution(ThreadPool* pool = nullptr, Int8Calibration* calibration = nullptr)
      : execution_(workspace_, pool, calibration) {}
  TestExecution(const TestExecution&) = delete;
  TestExecution& operator=(const TestExecution&) = delete;
  operator const Execution&() const { return execution_; }  // NOLINT(google-explicit-constructor)

 private:
  Workspace workspace_;
  Execution execution_;
};

inline std::vector<std::uint16_t> to_bf16(const std::vector<float>& values) {
  std::vector<std::uint16_t> bf16(values.size());
  to_bfloat16(values, bf16);
  return bf16;
}

inline std::vector<float> to_floats(const std::vector<std::uint16_t>& bf16) {
  std::vector<float> values(bf16.size());
  from_bfloat16(bf16, values);
  return values;
}

inline double max_abs_difference(ConstMatrixView a, ConstMatrixView b) {
  double max_difference = 0;
  for (std::int64_t row = 0; row < a.rows; ++row) {
    for (std::int64_t col = 0; col < a.cols; ++col) {
      const double difference = std::abs(double{a.row(row)[col]} - double{b.row(row)[col]});
      max_difference = std::isnan(difference) ? HUGE_VAL : std::max(max_difference, difference);
    }
  }
  return max_difference;
}

}  // namespace treble::internal::test
