// A matrix as its file keeps it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "tensor/aligned_buffer.h"
#include "tensor/dtype.h"
#include "tensor/view.h"
#include "tensor/widen.h"

namespace treble::internal {

/// Does not own. Rows are widened to float32 when they are read, so that a large table of which few rows are needed
/// takes neither time to load nor memory beside the mapped file.
class StoredRows {
 public:
  StoredRows() = default;
  explicit StoredRows(ConstMatrixView floats)
      : StoredRows(reinterpret_cast<const std::byte*>(floats.data), DType::kF32, floats.rows, floats.cols) {}
  /// Elements of one of the types that `widen` knows, of any alignment.
  StoredRows(const std::byte* data, DType dtype, std::int64_t rows, std::int64_t cols)
      : data_(data), dtype_(dtype), rows_(rows), cols_(cols) {}

  std::int64_t rows() const noexcept { return rows_; }
  std::int64_t cols() const noexcept { return cols_; }

  /// `out` has cols() elements.
  void read(std::int64_t row, std::span<float> out) const {
    widen(dtype_, data_ + static_cast<std::size_t>(row * cols_) * dtype_size(dtype_), out);
  }

  /// All of them: in place where they are aligned float32, else widened into `owned`.
  ConstMatrixView as_floats(AlignedBuffer<float>& owned) const {
    if (dtype_ == DType::kF32 && reinterpret_cast<std::uintptr_t>(data_) % alignof(float) == 0) {
      return {reinterpret_cast<const float*>(data_), rows_, cols_};
    }
    const auto size = static_cast<std::size_t>(rows_ * cols_);
    widen(dtype_, data_, {owned.ensure(size), size});
    return {owned.data(), rows_, cols_};
  }

 private:
  const std::byte* data_ = nullptr;
  DType dtype_ = DType::kF32;
  std::int64_t rows_ = 0;
  std::int64_t cols_ = 0;
};

}  // namespace treble::internal
