// How a compute type multiplies: what linear.cc, which spreads the work over threads, has one of for each type.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include "base/fail.h"
#include "kernels/linear.h"
#include "kernels/workspace.h"

namespace treble::internal {

/// Outputs [begin, end) of a layer.
struct OutputRange {
  std::int64_t begin;
  std::int64_t end;
  std::int64_t count() const noexcept { return end - begin; }
};

/// Inputs in the form that the GEMM reads; in the scratch, until its next use.
struct GemmInput {
  const void* data = nullptr;
  std::span<const RowQuantParams> params = {};  ///< of int8
};

/// Immutable but for calibration; any number of threads may call it at once, each with a scratch of its own.
class LinearBackend {
 public:
  virtual ~LinearBackend() = default;

  /// Converts all rows of x, [rows, in], dense.
  virtual GemmInput prepare(ConstMatrixView x, LinearScratch& scratch) const = 0;
  /// Of types with supports_bf16_activations.
  virtual GemmInput prepare(ConstBfloat16View, LinearScratch&) const {
    fail(ErrorCode::internal, "linear: the layer cannot read bfloat16");
  }

  /// y [rows, all outputs] = activation(x W^T + b), or y += x W^T + b, in the columns `outputs`: one of the parts of
  /// part_columns, or all.
  virtual void multiply(const GemmInput& x, const OutputRange& outputs, MatrixView y, LinearScratch& scratch) const = 0;
  /// With Options::bfloat16_output.
  virtual void multiply(const GemmInput&, const OutputRange&, Bfloat16View, LinearScratch&) const {
    fail(ErrorCode::internal, "linear: the layer cannot write bfloat16");
  }

  /// Outputs of one of `parts` parts; all of them where the packed weights cannot be split so.
  virtual std::int64_t part_columns(int parts) const = 0;
  /// See Linear.
  virtual std::int64_t typical_rows() const noexcept = 0;
  virtual const char* implementation(std::int64_t rows) const = 0;
};

/// Each with the arguments of Linear's constructor, which has checked them.
std::unique_ptr<LinearBackend> make_float32_linear(ConstMatrixView weight, std::span<const float> bias,
                                                   const Linear::Options& options);
std::unique_ptr<LinearBackend> make_bfloat16_linear(ConstMatrixView weight, std::span<const float> bias,
                                                    const Linear::Options& options);
std::unique_ptr<LinearBackend> make_int8_linear(ConstMatrixView weight, std::span<const float> bias,
                                                const Linear::Options& options);

inline std::size_t num_elements(std::int64_t rows, std::int64_t cols) { return static_cast<std::size_t>(rows * cols); }

}  // namespace treble::internal
