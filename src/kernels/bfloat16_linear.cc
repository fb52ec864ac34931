#include "kernels/bfloat16_ops.h"
#include "kernels/compute_isa.h"
#include "kernels/matmul_linear.h"

namespace treble::internal {

namespace {

onednn::Matmul pack(ConstMatrixView weight, std::span<const float> bias, const Linear::Options& options) {
  const auto cols = static_cast<std::size_t>(weight.cols);
  AlignedBuffer<std::uint16_t> bf16(num_elements(weight.rows, weight.cols));
  for (std::int64_t row = 0; row < weight.rows; ++row) {
    to_bfloat16(weight.row_span(row), {bf16.data() + row * weight.cols, cols});
  }
  const auto kind = options.bfloat16_output ? onednn::MatmulKind::bfloat16_output_bf16 : onednn::MatmulKind::bfloat16;
  return {kind, {weight.cols, weight.rows, bf16.data(), weight.cols, bias, options.accumulate}};
}

class Bfloat16Linear final : public MatmulLinear {
 public:
  Bfloat16Linear(ConstMatrixView weight, std::span<const float> bias, const Linear::Options& options)
      : MatmulLinear(pack(weight, bias, options), options, ActivationAccuracy::bfloat16) {}

  GemmInput prepare(ConstMatrixView x, LinearScratch& scratch) const override {
    const std::size_t size = num_elements(x.rows, x.cols);
    std::uint16_t* bf16 = scratch.bf16.ensure(size);
    to_bfloat16({x.data, size}, {bf16, size});
    return {bf16};
  }

  GemmInput prepare(ConstBfloat16View x, LinearScratch&) const override { return {x.data}; }

  void multiply(const GemmInput& x, const OutputRange& outputs, MatrixView y, LinearScratch& scratch) const override {
    run(x, outputs, y, scratch);
  }
  void multiply(const GemmInput& x, const OutputRange& outputs, Bfloat16View y, LinearScratch& scratch) const override {
    run(x, outputs, y, scratch);
  }
};

onednn::Matmul pack_rounded(ConstMatrixView weight, std::span<const float> bias, const Linear::Options& options) {
  AlignedBuffer<float> rounded(num_elements(weight.rows, weight.cols));
  const MatrixView view(rounded.data(), weight.rows, weight.cols);
  for (std::int64_t row = 0; row < weight.rows; ++row) round_to_bfloat16(weight.row_span(row), view.row_span(row));
  return {onednn::MatmulKind::float32, {view.cols, view.rows, view.data, view.stride, bias, options.accumulate}};
}

/// For CPUs without bfloat16 instructions: the rounded numbers, multiplied as float32.
class EmulatedBfloat16Linear final : public MatmulLinear {
 public:
  using LinearBackend::multiply;
  using LinearBackend::prepare;

  EmulatedBfloat16Linear(ConstMatrixView weight, std::span<const float> bias, const Linear::Options& options)
      : MatmulLinear(pack_rounded(weight, bias, options), options, ActivationAccuracy::bfloat16) {}

  GemmInput prepare(ConstMatrixView x, LinearScratch& scratch) const override {
    const std::size_t size = num_elements(x.rows, x.cols);
    float* rounded = scratch.values.ensure(size);
    round_to_bfloat16({x.data, size}, {rounded, size});
    return {rounded};
  }

  void multiply(const GemmInput& x, const OutputRange& outputs, MatrixView y, LinearScratch& scratch) const override {
    run(x, outputs, y, scratch);
  }
};

}  // namespace

std::unique_ptr<LinearBackend> make_bfloat16_linear(ConstMatrixView weight, std::span<const float> bias,
                                                    const Linear::Options& options) {
  if (!has_bf16_matmul()) return std::make_unique<EmulatedBfloat16Linear>(weight, bias, options);
  return std::make_unique<Bfloat16Linear>(weight, bias, options);
}

}  // namespace treble::internal
