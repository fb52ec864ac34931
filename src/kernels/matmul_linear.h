// A oneDNN matmul and the activation behind it: what the layers of float32 and bfloat16 share.
#pragma once

#include <utility>

#include "kernels/activation_ops.h"
#include "kernels/linear_backend.h"
#include "kernels/onednn/matmul.h"

namespace treble::internal {

class MatmulLinear : public LinearBackend {
 public:
  std::int64_t part_columns(int parts) const override { return matmul_.part_columns(parts); }
  std::int64_t typical_rows() const noexcept override { return matmul_.typical_rows(); }
  const char* implementation(std::int64_t rows) const override { return matmul_.implementation(rows); }

 protected:
  /// `accuracy` of the activation.
  MatmulLinear(onednn::Matmul matmul, const Linear::Options& options, ActivationAccuracy accuracy)
      : matmul_(std::move(matmul)),
        activation_(options.activation),
        accumulate_(options.accumulate),
        accuracy_(accuracy) {}

  template <typename Y>
  void run(const GemmInput& x, const OutputRange& outputs, BasicMatrixView<Y> y, LinearScratch& scratch) const {
    if (outputs.count() != y.cols) return run_part(x, outputs, y, scratch);
    matmul_.run(scratch.matmul, y.rows, x.data, y.data);
    // In a pass of its own: oneDNN's erf as a post-op takes twice the time on AVX2.
    activate(activation_, y, accuracy_);
  }

 private:
  static float* part_buffer(const float*, LinearScratch& scratch, std::size_t size) {
    return scratch.part.ensure(size);
  }
  static std::uint16_t* part_buffer(const std::uint16_t*, LinearScratch& scratch, std::size_t size) {
    return scratch.part_bf16.ensure(size);
  }

  /// oneDNN writes dense matrices, so some columns of y go through a buffer.
  template <typename Y>
  void run_part(const GemmInput& x, const OutputRange& outputs, BasicMatrixView<Y> y, LinearScratch& scratch) const {
    const BasicMatrixView<Y> part(part_buffer(y.data, scratch, num_elements(y.rows, outputs.count())), y.rows,
                                  outputs.count());
    const BasicMatrixView<Y> target = y.col_range(outputs.begin, outputs.end);
    if (accumulate_) activate(Activation::identity, BasicMatrixView<const Y>(target), part);
    matmul_.run_columns(scratch.matmul, y.rows, outputs.begin, outputs.end, x.data, part.data);
    activate(activation_, BasicMatrixView<const Y>(part), target, accuracy_);
  }

  onednn::Matmul matmul_;
  Activation activation_;
  bool accumulate_;
  ActivationAccuracy accuracy_;
};

}  // namespace treble::internal
