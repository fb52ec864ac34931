#include "kernels/matmul_linear.h"

namespace treble::internal {

namespace {

class Float32Linear final : public MatmulLinear {
 public:
  using LinearBackend::multiply;
  using LinearBackend::prepare;

  Float32Linear(ConstMatrixView weight, std::span<const float> bias, const Linear::Options& options)
      : MatmulLinear({onednn::MatmulKind::float32,
                      {weight.cols, weight.rows, weight.data, weight.stride, bias, options.accumulate}},
                     options, ActivationAccuracy::float32) {}

  GemmInput prepare(ConstMatrixView x, LinearScratch&) const override { return {x.data}; }

  void multiply(const GemmInput& x, const OutputRange& outputs, MatrixView y, LinearScratch& scratch) const override {
    run(x, outputs, y, scratch);
  }
};

}  // namespace

std::unique_ptr<LinearBackend> make_float32_linear(ConstMatrixView weight, std::span<const float> bias,
                                                   const Linear::Options& options) {
  return std::make_unique<Float32Linear>(weight, bias, options);
}

}  // namespace treble::internal
