#include <algorithm>
#include <numeric>
#include <vector>

#include "kernels/activation_ops.h"
#include "kernels/bfloat16_ops.h"
#include "kernels/compute_isa.h"
#include "kernels/hadamard.h"
#include "kernels/int8_calibration.h"
#include "kernels/linear_backend.h"
#include "kernels/onednn/matmul.h"
#include "kernels/simd/int8_gemm.h"
#include "kernels/weight_rounding.h"

namespace treble::internal {

namespace {

using simd::Int8Gemm;

/// Rows of 8-bit inputs and their outputs that stay in the second-level cache.
constexpr std::int64_t kTypicalRows = 64;

/// The quantization parameters of each output's weights, and the sums that the rows' offsets are multiplied with.
struct WeightParams {
  std::vector<float> scale;
  std::vector<float> offset;
  std::vector<float> sum;
  std::vector<float> bias;

  ColumnQuantParams of(const OutputRange& outputs) const {
    const auto first = static_cast<std::size_t>(outputs.begin);
    const auto count = static_cast<std::size_t>(outputs.count());
    return {std::span(scale).subspan(first, count), std::span(offset).subspan(first, count),
            std::span(sum).subspan(first, count), std::span(bias).subspan(first, count)};
  }
};

/// [out, in]. Weights are rotated as their inputs will be, which multiplies the results by the block. `rounding` may be
/// null.
AlignedBuffer<std::int8_t> quantize(ConstMatrixView weight, WeightParams& params, WeightRounding* rounding) {
  const Int8Range range = int8_range();
  const auto block = static_cast<float>(hadamard_block(weight.cols));
  const auto cols = static_cast<std::size_t>(weight.cols);
  AlignedBuffer<std::int8_t> codes(num_elements(weight.rows, weight.cols));
  std::vector<float> rotated(cols);
  for (std::int64_t row = 0; row < weight.rows; ++row) {
    const std::span<std::int8_t> target{codes.data() + row * weight.cols, cols};
    hadamard_rotate(weight.row_span(row), rotated);
    const WeightQuantParams quant = quantize_weights(rotated, range.weight_qmax, range.pair_max, target);
    if (rounding != nullptr) rounding->record_weights(row, rotated, quant, target);
    const float scale = quant.scale / block;
    params.scale.push_back(scale);
    params.offset.push_back(quant.offset / block);
    params.sum.push_back(scale * static_cast<float>(std::accumulate(target.begin(), target.end(), std::int64_t{0})));
  }
  return codes;
}

class Int8Linear final : public LinearBackend, public Int8Calibration::Layer {
 public:
  Int8Linear(ConstMatrixView weight, std::span<const float> bias, const Linear::Options& options)
      : in_(weight.cols), out_(weight.rows), activation_(options.activation), accumulate_(options.accumulate) {
    if (options.prepared != nullptr) {
      const Int8LayerView& prepared = *options.prepared;
      params_ = {.scale = {prepared.scale.begin(), prepared.scale.end()},
                 .offset = {prepared.offset.begin(), prepared.offset.end()},
                 .sum = {prepared.sum.begin(), prepared.sum.end()},
                 .bias = {prepared.bias.begin(), prepared.bias.end()}};
      pack(prepared.codes);
      return;
    }
    Int8Calibration* calibration = options.calibration;
    WeightRounding* rounding = calibration == nullptr ? nullptr : &calibration->add(*this, options.name, in_, out_);
    const AlignedBuffer<std::int8_t> codes = quantize(weight, params_, rounding);
    params_.bias.assign(bias.begin(), bias.end());
    params_.bias.resize(static_cast<std::size_t>(out_));
    const std::span<const std::int8_t> all(codes.data(), num_elements(out_, in_));
    pack(all);
    // oneDNN does not give them back.
    if (!gemm_ && calibration != nullptr && calibration->keeps_layers()) kept_codes_.assign(all.begin(), all.end());
  }

  GemmInput prepare(ConstMatrixView x, LinearScratch& scratch) const override { return quantize_rows(x, scratch); }
  GemmInput prepare(ConstBfloat16View x, LinearScratch& scratch) const override { return quantize_rows(x, scratch); }

  void multiply(const GemmInput& x, const OutputRange& outputs, MatrixView y, LinearScratch& scratch) const override {
    const MatrixView target = y.col_range(outputs.begin, outputs.end);
    if (gemm_) {
      gemm_->run(static_cast<const std::uint8_t*>(x.data), x.params, outputs.begin, params_.of(outputs), accumulate_,
                 target);
    } else {
      run_matmul(x, outputs, target, scratch);
    }
    activate(activation_, target, ActivationAccuracy::bfloat16);
  }

  void multiply(const GemmInput& x, const OutputRange& outputs, Bfloat16View y, LinearScratch& scratch) const override {
    const Bfloat16View target = y.col_range(outputs.begin, outputs.end);
    if (gemm_) {
      gemm_->run(static_cast<const std::uint8_t*>(x.data), x.params, outputs.begin, params_.of(outputs), target);
    } else {
      const MatrixView wide(scratch.part.ensure(num_elements(target.rows, target.cols)), target.rows, target.cols);
      run_matmul(x, outputs, wide, scratch);
      for (std::int64_t row = 0; row < target.rows; ++row) to_bfloat16(wide.row_span(row), target.row_span(row));
    }
    activate(activation_, target, ActivationAccuracy::bfloat16);
  }

  std::int64_t part_columns(int parts) const override {
    if (!gemm_) return matmul_->part_columns(parts);
    const std::int64_t panels = (out_ + gemm_->panel() - 1) / gemm_->panel();
    return (panels + parts - 1) / parts * gemm_->panel();
  }

  std::int64_t typical_rows() const noexcept override { return gemm_ ? kTypicalRows : matmul_->typical_rows(); }

  const char* implementation(std::int64_t rows) const override {
    return gemm_ ? gemm_->name() : matmul_->implementation(rows);
  }

  void requantize(WeightRounding& rounding) override {
    // Where neighbouring pairs of values are limited, a weight cannot be rounded independently.
    std::vector<std::int64_t> sums(static_cast<std::size_t>(out_));
    const bool changed = gemm_ != nullptr && gemm_->takes_any_codes() && rounding.requantize(*gemm_, sums);
    for (std::int64_t output = 0; output < out_; ++output) {
      const auto o = static_cast<std::size_t>(output);
      if (changed) params_.sum[o] = params_.scale[o] * static_cast<float>(sums[o]);
      params_.bias[o] += params_.scale[o] * rounding.mean_error(output);
    }
  }

  Int8Layer finished() override {
    std::vector<std::int8_t> codes = std::move(kept_codes_);
    if (gemm_) {
      codes.resize(num_elements(out_, in_));
      for (std::int64_t output = 0; output < out_; ++output) {
        const std::span<std::int8_t> row{codes.data() + output * in_, static_cast<std::size_t>(in_)};
        gemm_->read_codes(output, 0, row);
      }
    }
    return {.in = in_,
            .out = out_,
            .codes = std::move(codes),
            .scale = params_.scale,
            .offset = params_.offset,
            .sum = params_.sum,
            .bias = params_.bias};
  }

 private:
  void pack(std::span<const std::int8_t> codes) {
    if (const Int8Isa isa = int8_isa(); isa != Int8Isa::none && Int8Gemm::supports(in_)) {
      gemm_ = std::make_unique<Int8Gemm>(isa, in_, out_, codes);
    } else {
      matmul_ = std::make_unique<onednn::Matmul>(onednn::MatmulKind::int8,
                                                 onednn::MatmulWeights{in_, out_, codes.data(), in_});
    }
  }

  template <typename X>
  static GemmInput quantize_rows(BasicMatrixView<const X> x, LinearScratch& scratch) {
    const auto cols = static_cast<std::size_t>(x.cols);
    std::uint8_t* codes = scratch.codes.ensure(num_elements(x.rows, x.cols));
    const std::span<float> rotated{scratch.values.ensure(cols), cols};
    const std::int32_t input_max = int8_range().input_max;
    scratch.row_params.clear();
    for (std::int64_t row = 0; row < x.rows; ++row) {
      hadamard_rotate(x.row_span(row), rotated);
      scratch.row_params.push_back(quantize_row(rotated, input_max, {codes + row * x.cols, cols}));
    }
    return {codes, scratch.row_params};
  }

  void run_matmul(const GemmInput& x, const OutputRange& outputs, MatrixView y, LinearScratch& scratch) const {
    const ColumnQuantParams params = params_.of(outputs);
    const auto width = static_cast<std::size_t>(outputs.count());
    std::int32_t* sums = scratch.sums.ensure(num_elements(y.rows, outputs.count()));
    matmul_->run_columns(scratch.matmul, y.rows, outputs.begin, outputs.end, x.data, sums);
    for (std::int64_t row = 0; row < y.rows; ++row) {
      dequantize_row({sums + row * outputs.count(), width}, x.params[static_cast<std::size_t>(row)], params,
                     accumulate_, y.row_span(row));
    }
  }

  std::int64_t in_;
  std::int64_t out_;
  Activation activation_;
  bool accumulate_;
  WeightParams params_;
  std::vector<std::int8_t> kept_codes_;  ///< until `finished`
  // One of the two.
  std::unique_ptr<Int8Gemm> gemm_;
  std::unique_ptr<const onednn::Matmul> matmul_;
};

}  // namespace

std::unique_ptr<LinearBackend> make_int8_linear(ConstMatrixView weight, std::span<const float> bias,
                                                const Linear::Options& options) {
  return std::make_unique<Int8Linear>(weight, bias, options);
}

}  // namespace treble::internal
