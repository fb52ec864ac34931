#include "pooling/column_pool.h"

#include <algorithm>
#include <cmath>
#include <cstddef>

namespace treble::internal {

/// Row `token` of the text, if it is among these.
void ColumnPool::copy(ConstMatrixView rows, std::int64_t token) {
  if (token < seen_ || token >= seen_ + rows.rows) return;
  std::copy_n(rows.row(token - seen_), cols_, values_.begin());
}

/// += weight(token) · row, of the tokens that are pooled.
template <typename Weight>
void ColumnPool::add_weighted(ConstMatrixView rows, Weight weight) {
  for (std::int64_t row = std::max<std::int64_t>(0, excluded_ - seen_); row < rows.rows; ++row) {
    const float* values = rows.row(row);
    const double factor = weight(seen_ + row);
    for (std::int64_t c = 0; c < cols_; ++c) {
      values_[static_cast<std::size_t>(c)] += factor * static_cast<double>(values[c]);
    }
  }
}

void ColumnPool::add_maximum(ConstMatrixView rows) {
  for (std::int64_t row = std::max<std::int64_t>(0, excluded_ - seen_); row < rows.rows; ++row) {
    const float* values = rows.row(row);
    if (seen_ + row == excluded_) {
      std::copy_n(values, cols_, values_.begin());
      continue;
    }
    for (std::int64_t c = 0; c < cols_; ++c) {
      // The negated comparison lets a NaN in and, once in, keeps it.
      double& largest = values_[static_cast<std::size_t>(c)];
      const auto value = static_cast<double>(values[c]);
      largest = !(value <= largest) && largest == largest ? value : largest;
    }
  }
}

void ColumnPool::add(ConstMatrixView rows) {
  switch (mode_) {
    case PoolingMode::cls:
      // sentence-transformers searches the first unmasked token, finds none and ends at the first of all.
      copy(rows, excluded_ < length_ ? excluded_ : 0);
      break;
    case PoolingMode::last_token:
      if (excluded_ < length_) copy(rows, length_ - 1);
      break;
    case PoolingMode::max: add_maximum(rows); break;
    case PoolingMode::mean:
    case PoolingMode::mean_sqrt_len: add_weighted(rows, [](std::int64_t) { return 1.0; }); break;
    case PoolingMode::weighted_mean:
      add_weighted(rows, [](std::int64_t token) { return static_cast<double>(token + 1); });
      break;
  }
  seen_ += rows.rows;
}

double ColumnPool::divisor() const {
  const auto count = static_cast<double>(length_ - excluded_);
  switch (mode_) {
    case PoolingMode::mean: return count;
    case PoolingMode::mean_sqrt_len: return std::sqrt(count);
    // (excluded + 1) + … + length
    case PoolingMode::weighted_mean: return count * static_cast<double>(excluded_ + 1 + length_) / 2;
    default: return 1;
  }
}

void ColumnPool::write(float* out) const {
  const double by = excluded_ < length_ ? divisor() : 1;
  for (std::int64_t c = 0; c < cols_; ++c) out[c] = static_cast<float>(values_[static_cast<std::size_t>(c)] / by);
}

}  // namespace treble::internal
