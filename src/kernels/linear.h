// y = activation(x W^T + b), the matrix product of every layer.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "kernels/activation.h"
#include "kernels/execution.h"
#include "kernels/rounding_correction.h"
#include "tensor/view.h"
#include "treble/options.h"

namespace treble::internal {

/// What this CPU makes of a compute type, for people; empty where nothing needs saying.
///   bfloat16  "emulated: …" on CPUs that have no bfloat16 products
///   int8      "codes a bit narrower …" where 8 bits would saturate
std::string compute_type_note(ComputeType type);

/// The instruction set that products run on, e.g. "AVX2" or "AVX-512 with VNNI and bfloat16".
std::string compute_isa();

/// True where products of this type run on instructions made for them.
bool is_native(ComputeType type);

/// Whether layers of this type can hand numbers on in bfloat16 on this CPU, which halves what goes through memory:
/// bfloat16, and int8 with VNNI, where the CPU has AVX512-BF16.
bool supports_bf16_activations(ComputeType type);

/// A linear layer with its weights packed for the CPU at construction. Products are oneDNN's, but for int8
/// with AVX2 or AVX-512 VNNI (simd/int8_gemm.h). Immutable; `run` may be called from several threads at once.
///
///   float32   as stored
///   bfloat16  weights and x rounded to bfloat16, sums in float32. Where the CPU cannot, the rounded numbers are
///             multiplied as float32: the same result, without the speed.
///   int8      weights in codes over each output's own range, x in codes over each row's own range, both
///             after a rotation that evens out what stands out; sums in int32. A row's result depends on that row
///             alone, bit for bit.
/// Bias and residual are float32 in every type, the activation too unless y is bfloat16.
class Linear {
 public:
  struct Options {
    Activation activation = Activation::identity;
    /// Add the product to what the output holds (a residual): y += x W^T + b. Only with Activation::identity.
    bool accumulate = false;
    /// Not `automatic`.
    ComputeType type = ComputeType::float32;
    /// y is bfloat16. Only of types that supports_bf16_activations, without `accumulate`.
    bool bfloat16_output = false;
    /// Of int8: corrects the layer's rounding by the inputs that it sees until the correction is finished; up to then
    /// it may run from one thread alone. It outlives that.
    RoundingCorrection* correction = nullptr;
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
  /// Of types that supports_bf16_activations.
  void run(const Execution& execution, ConstBfloat16View x, MatrixView y) const;

  /// Whether the threads of a call of so few rows divide the outputs among them, each reading its share of the weights,
  /// and not the rows.
  static bool splits_outputs(const Execution& execution, std::int64_t rows);
  bool has_bfloat16_output() const noexcept;
  /// Of the activations that come before or after a product of this type.
  ActivationAccuracy accuracy() const noexcept;
  /// Rows a call that suit a single thread best.
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
