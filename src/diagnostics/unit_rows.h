// Vectors of length one.
#pragma once

#include <cstddef>
#include <vector>

#include "tensor/dot.h"
#include "tensor/view.h"

namespace treble::internal {

/// Unit rows in double, [rows, cols]; a zero row stays zero.
inline std::vector<double> unit_rows(ConstMatrixView vectors) {
  std::vector<double> unit(static_cast<std::size_t>(vectors.rows * vectors.cols));
  double* target = unit.data();
  for (std::int64_t row = 0; row < vectors.rows; ++row) {
    const auto values = vectors.row_span(row);
    const double scale = unit_scale(values);
    for (const float value : values) *target++ = value * scale;
  }
  return unit;
}

}  // namespace treble::internal
