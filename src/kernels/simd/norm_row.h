// What the norms need of one row; shared by the instruction sets that row_ops.cc is compiled for.
#pragma once

#include <cstddef>

namespace treble::internal::simd {

/// One row to normalise; y may be x, bias may be null.
struct NormRow {
  const float* x;
  const float* gain;
  const float* bias;
  float* y;
  std::size_t cols;
  float eps;
};

}  // namespace treble::internal::simd
