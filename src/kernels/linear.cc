#include "kernels/linear.h"

#include <algorithm>
#include <array>
#include <numeric>
#include <utility>
#include <vector>

#include "base/fail.h"
#include "kernels/activation_ops.h"
#include "kernels/onednn/product.h"
#include "kernels/quantize_ops.h"
#include "tensor/aligned_buffer.h"

namespace treble {

namespace {

using onednn::Product;
using onednn::ProductKind;
using onednn::ProductWeights;

/// Below this many rows a range is not worth a thread of its own.
constexpr std::int64_t kRowsPerThread = 8;
/// Rows converted at a time: codes and sums stay in the second-level cache (64 x 1536 sums are 384 KiB).
constexpr std::int64_t kConvertedRows = 64;

/// Room for converted rows. One a thread, kept from call to call, bounded by the widest layer.
struct Scratch {
  AlignedBuffer<std::uint8_t> codes;
  AlignedBuffer<std::uint16_t> halves;
  AlignedBuffer<float> rounded;
  AlignedBuffer<std::int32_t> sums;
};

Scratch& thread_scratch() {
  thread_local Scratch scratch;
  return scratch;
}

std::size_t elements(std::int64_t rows, std::int64_t cols) { return static_cast<std::size_t>(rows * cols); }

Product pack_float32(ConstMatrixView weight, std::span<const float> bias, bool accumulate) {
  return {ProductKind::float32, {weight.cols, weight.rows, weight.data, weight.stride, bias, accumulate}};
}

Product pack_bfloat16(ConstMatrixView weight, std::span<const float> bias, bool accumulate) {
  const std::size_t cols = static_cast<std::size_t>(weight.cols);
  if (!onednn::has_bfloat16()) {
    AlignedBuffer<float> rounded(elements(weight.rows, weight.cols));
    const MatrixView view(rounded.data(), weight.rows, weight.cols);
    for (std::int64_t row = 0; row < weight.rows; ++row) round_to_bfloat16(weight.row_span(row), view.row_span(row));
    return pack_float32(view, bias, accumulate);
  }
  AlignedBuffer<std::uint16_t> halves(elements(weight.rows, weight.cols));
  for (std::int64_t row = 0; row < weight.rows; ++row) {
    to_bfloat16(weight.row_span(row), {halves.data() + row * weight.cols, cols});
  }
  return {ProductKind::bfloat16, {weight.cols, weight.rows, halves.data(), weight.cols, bias, accumulate}};
}

/// Scales of the weights' codes, and with them the sums that the rows' offsets are multiplied with.
struct Columns {
  std::vector<float> scale;
  std::vector<float> sum;
  std::vector<float> bias;
};

/// The largest power of two that divides the width.
std::int64_t rotation_block(std::int64_t cols) { return cols & -cols; }

/// Weights are rotated as their inputs will be, which leaves the products as they were but for a factor.
Product pack_int8(ConstMatrixView weight, Columns& columns) {
  const onednn::Int8Range range = onednn::int8_range();
  const std::int64_t block = rotation_block(weight.cols);
  const auto cols = static_cast<std::size_t>(weight.cols);
  AlignedBuffer<std::int8_t> codes(elements(weight.rows, weight.cols));
  std::vector<float> rotated(cols);
  for (std::int64_t row = 0; row < weight.rows; ++row) {
    const std::span<std::int8_t> target{codes.data() + row * weight.cols, cols};
    std::copy_n(weight.row(row), weight.cols, rotated.begin());
    rotate_blocks(block, rotated);
    const float scale = quantize_weights(rotated, range.weight, range.pair, target) / static_cast<float>(block);
    columns.scale.push_back(scale);
    columns.sum.push_back(scale * static_cast<float>(std::accumulate(target.begin(), target.end(), std::int64_t{0})));
  }
  return {ProductKind::int8, {weight.cols, weight.rows, codes.data(), weight.cols}};
}

}  // namespace

std::string compute_type_note(ComputeType type) {
  if (type == ComputeType::bfloat16 && !onednn::has_bfloat16()) {
    return "emulated: the CPU (" + compute_isa() + ") has no bfloat16 products, so float32 is faster";
  }
  if (type == ComputeType::int8 && !onednn::has_vnni()) {
    return "codes a bit narrower than 8 bits: the CPU (" + compute_isa() + ") has no VNNI and would saturate";
  }
  return {};
}

std::string compute_isa() { return onednn::isa_name(); }

bool is_native(ComputeType type) { return type != ComputeType::bfloat16 || onednn::has_bfloat16(); }

struct Linear::Impl {
  Impl(ConstMatrixView weight, std::span<const float> bias, const Options& chosen)
      : options(chosen), product(pack(weight, bias)) {}

  Product pack(ConstMatrixView weight, std::span<const float> bias) {
    switch (options.type) {
      case ComputeType::float32: return pack_float32(weight, bias, options.accumulate);
      case ComputeType::bfloat16: return pack_bfloat16(weight, bias, options.accumulate);
      case ComputeType::int8: columns.bias.assign(bias.begin(), bias.end()); return pack_int8(weight, columns);
      case ComputeType::automatic: break;
    }
    fail(ErrorCode::internal, "linear: the compute type must be chosen before weights are packed");
  }

  void run_bfloat16(ConstMatrixView x, MatrixView y) const {
    Scratch& scratch = thread_scratch();
    const std::size_t size = elements(x.rows, x.cols);
    const std::span<const float> values(x.data, size);
    if (onednn::has_bfloat16()) {
      const std::span<std::uint16_t> halves(scratch.halves.ensure(size), size);
      to_bfloat16(values, halves);
      product.run(x.rows, halves.data(), y.data);
    } else {
      const std::span<float> rounded(scratch.rounded.ensure(size), size);
      round_to_bfloat16(values, rounded);
      product.run(x.rows, rounded.data(), y.data);
    }
    activate(options.activation, y);
  }

  void run_int8(ConstMatrixView x, MatrixView y) const {
    Scratch& scratch = thread_scratch();
    const auto cols = static_cast<std::size_t>(x.cols);
    const auto width = static_cast<std::size_t>(y.cols);
    std::uint8_t* codes = scratch.codes.ensure(elements(x.rows, x.cols));
    std::int32_t* sums = scratch.sums.ensure(elements(y.rows, y.cols));
    std::array<RowCodes, kConvertedRows> rows;
    const std::span<float> rotated{scratch.rounded.ensure(cols), cols};
    const std::int64_t block = rotation_block(x.cols);
    const std::int32_t most = onednn::int8_range().source;
    for (std::int64_t row = 0; row < x.rows; ++row) {
      std::copy_n(x.row(row), x.cols, rotated.data());
      rotate_blocks(block, rotated);
      rows[static_cast<std::size_t>(row)] = quantize_row(rotated, most, {codes + row * x.cols, cols});
    }
    product.run(x.rows, codes, sums);
    const ColumnScales scales{columns.scale, columns.sum, columns.bias};
    for (std::int64_t row = 0; row < x.rows; ++row) {
      dequantize_row({sums + row * y.cols, width}, rows[static_cast<std::size_t>(row)], scales, options.accumulate,
                     y.row_span(row));
      activate(options.activation, y.row_range(row, row + 1));
    }
  }

  void run_rows(ConstMatrixView x, MatrixView y) const {
    if (options.type == ComputeType::float32) {
      product.run(x.rows, x.data, y.data);
      // As a pass of our own: oneDNN's erf as a post-op takes twice the time on AVX2.
      activate(options.activation, y);
      return;
    }
    for (std::int64_t first = 0; first < x.rows; first += kConvertedRows) {
      const std::int64_t last = std::min(x.rows, first + kConvertedRows);
      const auto run = options.type == ComputeType::int8 ? &Impl::run_int8 : &Impl::run_bfloat16;
      (this->*run)(x.row_range(first, last), y.row_range(first, last));
    }
  }

  Options options;
  Columns columns;  // of int8 alone; filled while the product is packed
  Product product;
};

Linear::Linear(ConstMatrixView weight, std::span<const float> bias, const Options& options) {
  if (!bias.empty() && static_cast<std::int64_t>(bias.size()) != weight.rows) {
    fail(ErrorCode::internal, "linear: bias has {} values, the weight has {} rows", bias.size(), weight.rows);
  }
  if (options.accumulate && options.activation != Activation::identity) {
    fail(ErrorCode::internal, "linear: a residual cannot be added before the activation {}",
         activation_name(options.activation));
  }
  impl_ = std::make_unique<Impl>(weight, bias, options);
}

Linear::Linear(Linear&&) noexcept = default;
Linear& Linear::operator=(Linear&&) noexcept = default;
Linear::~Linear() = default;

void Linear::run(const Execution& execution, ConstMatrixView x, MatrixView y) const {
  if (x.cols != in_features() || y.cols != out_features() || x.rows != y.rows || x.stride != x.cols ||
      y.stride != y.cols) {
    fail(ErrorCode::internal, "linear [{} → {}]: x is [{}, {}] (stride {}), y is [{}, {}] (stride {})", in_features(),
         out_features(), x.rows, x.cols, x.stride, y.rows, y.cols, y.stride);
  }
  execution.for_ranges(x.rows, kRowsPerThread, [&](std::int64_t begin, std::int64_t end, int) {
    impl_->run_rows(x.row_range(begin, end), y.row_range(begin, end));
  });
}

std::int64_t Linear::in_features() const noexcept { return impl_->product.in_features(); }
std::int64_t Linear::out_features() const noexcept { return impl_->product.out_features(); }

const char* Linear::implementation(std::int64_t rows) const { return impl_->product.implementation(rows); }

}  // namespace treble
