// Views of row-major matrices that somebody else owns.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <type_traits>

namespace treble::internal {

/// [rows, cols] with `stride` elements from one row to the next (stride ≥ cols). Does not own.
template <typename T>
struct BasicMatrixView {
  T* data = nullptr;
  std::int64_t rows = 0;
  std::int64_t cols = 0;
  std::int64_t stride = 0;

  BasicMatrixView() = default;
  BasicMatrixView(T* data_in, std::int64_t rows_in, std::int64_t cols_in)
      : BasicMatrixView(data_in, rows_in, cols_in, cols_in) {}
  BasicMatrixView(T* data_in, std::int64_t rows_in, std::int64_t cols_in, std::int64_t stride_in)
      : data(data_in), rows(rows_in), cols(cols_in), stride(stride_in) {}
  /// A view to change converts to a view to read.
  template <typename U>
    requires(std::is_const_v<T> && std::is_same_v<U, std::remove_const_t<T>>)
  BasicMatrixView(const BasicMatrixView<U>& other)  // NOLINT(google-explicit-constructor)
      : BasicMatrixView(other.data, other.rows, other.cols, other.stride) {}

  T* row(std::int64_t index) const { return data + index * stride; }
  std::span<T> row_span(std::int64_t index) const { return {row(index), static_cast<std::size_t>(cols)}; }
  BasicMatrixView row_range(std::int64_t begin, std::int64_t end) const {
    return {row(begin), end - begin, cols, stride};
  }
  BasicMatrixView col_range(std::int64_t begin, std::int64_t end) const {
    return {data + begin, rows, end - begin, stride};
  }
};

using MatrixView = BasicMatrixView<float>;
using ConstMatrixView = BasicMatrixView<const float>;
/// Bits of bfloat16 numbers.
using Bfloat16View = BasicMatrixView<std::uint16_t>;
using ConstBfloat16View = BasicMatrixView<const std::uint16_t>;

}  // namespace treble::internal
