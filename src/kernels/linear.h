// y = activation(x W^T + b), the GEMM of every layer.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "kernels/activation.h"
#include "kernels/execution.h"
#include "kernels/int8_layer.h"
#include "tensor/view.h"
#include "treble/options.h"

namespace treble::internal {

/// A linear layer with its weights packed for the CPU at construction. GEMMs are oneDNN's, but for int8 with AVX2 or
/// AVX-512 VNNI (simd/int8_gemm.h). Immutable but for Options::calibration; `run` may be called from several threads at
/// once, each with an Execution of its own.
///
///   float32   as stored
///   bfloat16  weights and x rounded to bfloat16, accumulated in float32. Where the CPU cannot, the rounded numbers are
///             multiplied as float32: the same result, without the speed.
///   int8      weights quantized over each output's own range, x over each row's own range, both after a Hadamard
///             rotation that spreads outliers; accumulated in int32. A row's result depends on that row alone, bit for
///             bit.
/// Bias and residual are float32 in every type, the activation too unless y is bfloat16.
class Linear {
 public:
  struct Options {
    Activation activation = Activation::identity;
    /// Add the product to what the output holds (a residual): y += x W^T + b. Only with Activation::identity.
    bool accumulate = false;
    /// Not `automatic`.
    ComputeType type = ComputeType::float32;
    /// y is bfloat16. Only of types with supports_bf16_activations, without `accumulate`.
    bool bfloat16_output = false;
    /// Of int8: registers the layer, whose weights Int8Calibration::requantize may then change. The layer outlives that
    /// call.
    Int8Calibration* calibration = nullptr;
    /// Of int8, with calibration: what the layer is called there.
    std::string name = {};
    /// Of int8: the layer as a calibration left it, of `weight`'s shape. `weight` and `bias` are then not read, and it
    /// is not calibrated again.
    const Int8LayerView* prepared = nullptr;
  };

  /// `weight` is [out, in] as stored by PyTorch; `bias` is [out] or empty. Both are copied.
  Linear(ConstMatrixView weight, std::span<const float> bias, const Options& options);
  Linear(Linear&&) noexcept;
  Linear& operator=(Linear&&) noexcept;
  ~Linear();

  /// x [rows, in], y [rows, out], both dense (stride = cols); y must not overlap x. Any number of rows.
  /// Throws Error{internal} when shapes disagree with the weights.
  void run(const Execution& execution, ConstMatrixView x, MatrixView y) const;
  /// With Options::bfloat16_output.
  void run(const Execution& execution, ConstMatrixView x, Bfloat16View y) const;
  /// Of types with supports_bf16_activations.
  void run(const Execution& execution, ConstBfloat16View x, MatrixView y) const;

  /// Whether the threads of a call of so few rows split the outputs among them, each reading its share of the weights,
  /// and not the rows.
  static bool splits_outputs(const Execution& execution, std::int64_t rows);
  bool has_bfloat16_output() const noexcept;
  /// Of the activations before or after a layer of this type.
  ActivationAccuracy accuracy() const noexcept;
  /// The best number of rows a call on a single thread.
  std::int64_t typical_rows() const noexcept;

  std::int64_t in_features() const noexcept;
  std::int64_t out_features() const noexcept;

  /// Which implementation runs `rows` rows, e.g. oneDNN's "brgemm:avx2"; a test refuses names that contain "ref".
  const char* implementation(std::int64_t rows) const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace treble::internal
