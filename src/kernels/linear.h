// y = activation(x W^T + b), the matrix product of every layer.
#pragma once

#include <cstdint>
#include <memory>
#include <span>

#include "kernels/activation.h"
#include "kernels/execution.h"
#include "tensor/view.h"

namespace treble {

/// A linear layer with its weights packed for the CPU at construction (oneDNN). Immutable; `run` may be called from
/// several threads at once.
class Linear {
 public:
  struct Options {
    Activation activation = Activation::identity;
    /// Add the product to what the output holds (a residual): y += x W^T + b. Only with Activation::identity.
    bool accumulate = false;
  };

  /// `weight` is [out, in] as stored by PyTorch; `bias` is [out] or empty. Both are copied.
  Linear(ConstMatrixView weight, std::span<const float> bias, const Options& options);
  Linear(Linear&&) noexcept;
  Linear& operator=(Linear&&) noexcept;
  ~Linear();

  /// x [rows, in], y [rows, out], both dense (stride = cols); y must not overlap x. Any number of rows.
  /// Throws Error{internal} when shapes disagree with the weights.
  void run(const Execution& execution, ConstMatrixView x, MatrixView y) const;

  std::int64_t in_features() const noexcept;
  std::int64_t out_features() const noexcept;

  /// Which oneDNN implementation runs `rows` rows, e.g. "brgemm:avx2"; a test refuses names that contain "ref".
  const char* implementation(std::int64_t rows) const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace treble
