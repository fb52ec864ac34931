// Only some rows of a matrix.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>

#include "tensor/view.h"

namespace treble::internal {

/// Moves the rows to keep (rising) to the front, in place, and returns them; none to keep: all.
template <typename T>
BasicMatrixView<T> keep_rows(std::span<const std::int64_t> kept, BasicMatrixView<T> x) {
  if (kept.empty()) return x;
  for (std::size_t i = 0; i < kept.size(); ++i) {
    // Rising, so a row's new place lies before the places still to be read.
    const auto row = static_cast<std::int64_t>(i);
    if (kept[i] != row) std::copy_n(x.row(kept[i]), x.cols, x.row(row));
  }
  return x.row_range(0, static_cast<std::int64_t>(kept.size()));
}

}  // namespace treble::internal
