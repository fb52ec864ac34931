// Pooling of some columns of one text's hidden states, in one piece or segment after segment.
#pragma once

#include <array>
#include <cstdint>

#include "tensor/view.h"
#include "treble/pooling_mode.h"

namespace treble::internal {

/// Sums are carried in double, token after token, so that neither columns nor segments change a bit.
class ColumnPool {
 public:
  /// Columns at a time: their sums stay in the first-level cache, and one long text can be shared between threads.
  static constexpr std::int64_t kMaxColumns = 256;

  /// Of a text of `length` tokens of which the first `excluded` are not pooled (a prompt); `cols` ≤ kMaxColumns.
  ColumnPool(PoolingMode mode, std::int64_t cols, std::int64_t length, std::int64_t excluded)
      : mode_(mode), cols_(cols), length_(length), excluded_(excluded) {}

  /// The next tokens, [tokens, cols] of any stride.
  void add(ConstMatrixView rows);

  /// After the last token: `out` [cols]. A text of which no token is left gives zeros (cls: its very first token).
  void write(float* out) const;

 private:
  template <typename Weight>
  void add_weighted(ConstMatrixView rows, Weight weight);
  void add_maximum(ConstMatrixView rows);
  void copy(ConstMatrixView rows, std::int64_t token);
  double divisor() const;

  PoolingMode mode_;
  std::int64_t cols_;
  std::int64_t length_;
  std::int64_t excluded_;
  std::int64_t seen_ = 0;  ///< tokens
  std::array<double, kMaxColumns> values_{};
};

}  // namespace treble::internal
