// Vectors of length one.
#pragma once

#include <cmath>
#include <cstddef>
#include <vector>

#include "tensor/view.h"

namespace treble::internal {

/// Unit rows in double, [rows, cols]; a zero row stays zero.
inline std::vector<double> unit_rows(ConstMatrixView vectors) {
  std::vector<double> unit(static_cast<std::size_t>(vectors.rows * vectors.cols));
  double* target = unit.data();
  for (std::int64_t row = 0; row < vectors.rows; ++row) {
    const auto values = vectors.row_span(row);
    double square = 0;
    for (const float value : values) square += double{value} * double{value};
    const double scale = square > 0 ? 1 / std::sqrt(square) : 0;
    for (const float value : values) *target++ = value * scale;
  }
  return unit;
}

}  // namespace treble::internal
