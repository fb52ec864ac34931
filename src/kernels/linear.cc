#include "kernels/linear.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <memory>
#include <numeric>
#include <utility>
#include <vector>

#include "base/fail.h"
#include "kernels/activation_ops.h"
#include "kernels/onednn/matmul.h"
#include "kernels/quantize_ops.h"
#include "kernels/simd/int8_gemm.h"
#include "kernels/weight_rounding.h"
#include "tensor/aligned_buffer.h"

namespace treble::internal {

namespace {

using onednn::Matmul;
using onednn::MatmulKind;
using simd::Int8Gemm;

/// Up to so many rows, threads share the outputs rather than the rows: reading the weights is then what takes long, and
/// so each is read once.
constexpr std::int64_t kMaxSplitOutputRows = 48;
/// Row counts of a call are multiples of this, but for what is left over.
constexpr std::int64_t kRowStep = 16;
/// Rows of 8-bit codes and their outputs that stay in the second-level cache.
constexpr std::int64_t kTypicalInt8Rows = 64;
/// Outputs that are not worth a thread of their own.
constexpr std::int64_t kMinColumnsPerThread = 64;

/// Room for rows in the form that products read, and for what comes out. One a thread, kept from call to call, bounded
/// by the widest layer.
struct Scratch {
  AlignedBuffer<std::uint8_t> codes;
  std::vector<RowQuantParams> rows;
  AlignedBuffer<std::uint16_t> halves;
  AlignedBuffer<float> rounded;
  AlignedBuffer<std::int32_t> sums;
  AlignedBuffer<float> part;
  AlignedBuffer<std::uint16_t> narrow_part;

  float* part_of(const float*, std::size_t size) { return part.ensure(size); }
  std::uint16_t* part_of(const std::uint16_t*, std::size_t size) { return narrow_part.ensure(size); }
};

Scratch& thread_scratch() {
  thread_local Scratch scratch;
  return scratch;
}

/// x in the form that the product reads.
struct Source {
  const void* data = nullptr;
  std::span<const RowQuantParams> codes = {};  ///< of int8
};

/// Outputs [begin, end).
struct Columns {
  std::int64_t begin;
  std::int64_t end;
  std::int64_t count() const { return end - begin; }
};

std::size_t elements(std::int64_t rows, std::int64_t cols) { return static_cast<std::size_t>(rows * cols); }

Matmul pack_float32(ConstMatrixView weight, std::span<const float> bias, bool accumulate) {
  return {MatmulKind::float32, {weight.cols, weight.rows, weight.data, weight.stride, bias, accumulate}};
}

Matmul pack_bfloat16(ConstMatrixView weight, std::span<const float> bias, const Linear::Options& options) {
  const auto cols = static_cast<std::size_t>(weight.cols);
  if (!onednn::has_bfloat16()) {
    AlignedBuffer<float> rounded(elements(weight.rows, weight.cols));
    const MatrixView view(rounded.data(), weight.rows, weight.cols);
    for (std::int64_t row = 0; row < weight.rows; ++row) round_to_bfloat16(weight.row_span(row), view.row_span(row));
    return pack_float32(view, bias, options.accumulate);
  }
  AlignedBuffer<std::uint16_t> halves(elements(weight.rows, weight.cols));
  for (std::int64_t row = 0; row < weight.rows; ++row) {
    to_bfloat16(weight.row_span(row), {halves.data() + row * weight.cols, cols});
  }
  const auto kind = options.bfloat16_output ? MatmulKind::bfloat16_output_bfloat16 : MatmulKind::bfloat16;
  return {kind, {weight.cols, weight.rows, halves.data(), weight.cols, bias, options.accumulate}};
}

/// What the weights' codes mean, and the sums that the rows' offsets are multiplied with.
struct Dequantizer {
  std::vector<float> scale;
  std::vector<float> offset;
  std::vector<float> sum;
  std::vector<float> bias;

  ColumnQuantParams of(const Columns& columns) const {
    const auto first = static_cast<std::size_t>(columns.begin);
    const auto count = static_cast<std::size_t>(columns.count());
    return {std::span(scale).subspan(first, count), std::span(offset).subspan(first, count),
            std::span(sum).subspan(first, count), std::span(bias).subspan(first, count)};
  }
};

/// Larger blocks keep vectors no closer to float32's, and take more steps.
constexpr std::int64_t kMaxHadamardBlock = 128;

/// The largest power of two that divides the width, up to that.
std::int64_t rotation_block(std::int64_t cols) { return std::min(kMaxHadamardBlock, cols & -cols); }

/// [out, in]. Weights are rotated as their inputs will be, which leaves the products as they were but for a factor.
/// `rounding` may be null.
AlignedBuffer<std::int8_t> encode_int8(ConstMatrixView weight, Dequantizer& columns, WeightRounding* rounding) {
  const onednn::Int8Range range = onednn::int8_range();
  const std::int64_t block = rotation_block(weight.cols);
  const auto cols = static_cast<std::size_t>(weight.cols);
  AlignedBuffer<std::int8_t> codes(elements(weight.rows, weight.cols));
  std::vector<float> rotated(cols);
  for (std::int64_t row = 0; row < weight.rows; ++row) {
    const std::span<std::int8_t> target{codes.data() + row * weight.cols, cols};
    hadamard_transform(block, weight.row_span(row), rotated);
    const WeightQuantParams meaning = quantize_weights(rotated, range.weight, range.pair, target);
    if (rounding != nullptr) rounding->note(row, rotated, meaning, target);
    const float scale = meaning.scale / static_cast<float>(block);
    columns.scale.push_back(scale);
    columns.offset.push_back(meaning.offset / static_cast<float>(block));
    columns.sum.push_back(scale * static_cast<float>(std::accumulate(target.begin(), target.end(), std::int64_t{0})));
  }
  return codes;
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

bool supports_bf16_activations(ComputeType type) {
  if (!onednn::has_avx512_bfloat16()) return false;
  return type == ComputeType::bfloat16 || (type == ComputeType::int8 && simd::int8_isa() == simd::Int8Isa::avx512_vnni);
}

struct Linear::Impl : RoundingCorrection::Layer {
  Impl(ConstMatrixView weight, std::span<const float> bias, const Options& chosen)
      : in(weight.cols), out(weight.rows), options(chosen) {
    switch (options.type) {
      case ComputeType::float32:
        product = std::make_unique<Matmul>(pack_float32(weight, bias, options.accumulate));
        return;
      case ComputeType::bfloat16: product = std::make_unique<Matmul>(pack_bfloat16(weight, bias, options)); return;
      case ComputeType::int8: pack_int8(weight, bias); return;
      case ComputeType::automatic: break;
    }
    fail(ErrorCode::internal, "linear: the compute type must be chosen before weights are packed");
  }

  void pack_int8(ConstMatrixView weight, std::span<const float> bias) {
    if (options.correction != nullptr) {
      rounding = std::make_unique<WeightRounding>(in, out, onednn::int8_range().weight);
      options.correction->add(*this);
    }
    const AlignedBuffer<std::int8_t> codes = encode_int8(weight, dequantizer, rounding.get());
    dequantizer.bias.assign(bias.begin(), bias.end());
    dequantizer.bias.resize(static_cast<std::size_t>(out));
    if (const simd::Int8Isa isa = simd::int8_isa(); isa != simd::Int8Isa::none && Int8Gemm::suits(in)) {
      int8_gemm = std::make_unique<Int8Gemm>(isa, in, out, std::span(codes.data(), elements(out, in)));
    } else {
      product = std::make_unique<Matmul>(MatmulKind::int8, onednn::MatmulWeights{in, out, codes.data(), in});
    }
  }

  template <typename X>
  void see(const Execution& execution, BasicMatrixView<const X> x) const {
    if (x.rows < 3) return;
    const BasicMatrixView<const X> inner = x.row_range(1, x.rows - 1);
    // Before the product, which uses the same memory.
    Scratch& scratch = thread_scratch();
    const MatrixView rotated(scratch.rounded.ensure(elements(inner.rows, in)), inner.rows, in);
    execution.for_ranges(inner.rows, 1, [&](std::int64_t begin, std::int64_t end, int) {
      for (std::int64_t row = begin; row < end; ++row) rotate(inner.row_span(row), rotated.row_span(row));
    });
    rounding->see(execution, rotated, scratch.part);
  }

  void finish_correction() override {
    // Where neighbouring pairs of codes are limited, a weight cannot be rounded by itself.
    std::vector<std::int64_t> sums(static_cast<std::size_t>(out));
    const bool free = int8_gemm != nullptr && int8_gemm->takes_any_codes();
    const bool again = free && rounding->round_again(*int8_gemm, sums);
    for (std::int64_t output = 0; output < out; ++output) {
      const auto o = static_cast<std::size_t>(output);
      if (again) dequantizer.sum[o] = dequantizer.scale[o] * static_cast<float>(sums[o]);
      dequantizer.bias[o] += dequantizer.scale[o] * rounding->mean_error(output);
    }
    rounding.reset();
  }

  /// As the weights are.
  static void rotate(std::span<const float> x, std::span<float> rotated) {
    hadamard_transform(rotation_block(std::ssize(x)), x, rotated);
  }

  static void rotate(std::span<const std::uint16_t> x, std::span<float> rotated) {
    from_bfloat16(x, rotated);
    hadamard_transform(rotation_block(std::ssize(x)), rotated, rotated);
  }

  Source convert(ConstBfloat16View x, Scratch& scratch) const {
    if (options.type == ComputeType::int8) return quantize(x, scratch);
    return {x.data};
  }

  Source convert(ConstMatrixView x, Scratch& scratch) const {
    switch (options.type) {
      case ComputeType::bfloat16: return {to_bfloat16(x, scratch)};
      case ComputeType::int8: return quantize(x, scratch);
      default: return {x.data};
    }
  }

  static const void* to_bfloat16(ConstMatrixView x, Scratch& scratch) {
    const std::size_t size = elements(x.rows, x.cols);
    const std::span<const float> values(x.data, size);
    if (!onednn::has_bfloat16()) {
      float* rounded = scratch.rounded.ensure(size);
      round_to_bfloat16(values, {rounded, size});
      return rounded;
    }
    std::uint16_t* halves = scratch.halves.ensure(size);
    internal::to_bfloat16(values, {halves, size});
    return halves;
  }

  template <typename X>
  static Source quantize(BasicMatrixView<const X> x, Scratch& scratch) {
    const auto cols = static_cast<std::size_t>(x.cols);
    std::uint8_t* codes = scratch.codes.ensure(elements(x.rows, x.cols));
    const std::span<float> rotated{scratch.rounded.ensure(cols), cols};
    const std::int32_t most = onednn::int8_range().source;
    scratch.rows.clear();
    for (std::int64_t row = 0; row < x.rows; ++row) {
      rotate(x.row_span(row), rotated);
      scratch.rows.push_back(quantize_row(rotated, most, {codes + row * x.cols, cols}));
    }
    return {codes, scratch.rows};
  }

  /// Some outputs of all rows of y.
  template <typename Y>
  void run_columns(const Source& source, const Columns& columns, BasicMatrixView<Y> y) const {
    if (options.type == ComputeType::int8) {
      run_int8(source, columns, y);
    } else if (columns.count() == y.cols) {
      product->run(y.rows, source.data, y.data);
      // As a pass of our own: oneDNN's erf as a post-op takes twice the time on AVX2.
      activate(options.activation, y, accuracy());
    } else {
      run_part(source, columns, y);
    }
  }

  template <typename Y>
  void run_int8(const Source& source, const Columns& columns, BasicMatrixView<Y> y) const {
    const ColumnQuantParams scales = dequantizer.of(columns);
    const BasicMatrixView<Y> target = y.col_range(columns.begin, columns.end);
    if (int8_gemm) {
      run_int8_gemm(source, columns, scales, target);
    } else {
      run_onednn_int8(source, columns, scales, target);
    }
    activate(options.activation, target, accuracy());
  }

  void run_int8_gemm(const Source& source, const Columns& columns, const ColumnQuantParams& scales,
                     MatrixView y) const {
    const auto* codes = static_cast<const std::uint8_t*>(source.data);
    int8_gemm->run(codes, source.codes, columns.begin, scales, options.accumulate, y);
  }

  void run_int8_gemm(const Source& source, const Columns& columns, const ColumnQuantParams& scales,
                     Bfloat16View y) const {
    const auto* codes = static_cast<const std::uint8_t*>(source.data);
    int8_gemm->run(codes, source.codes, columns.begin, scales, y);
  }

  void run_onednn_int8(const Source& source, const Columns& columns, const ColumnQuantParams& scales,
                       MatrixView y) const {
    const auto width = static_cast<std::size_t>(columns.count());
    std::int32_t* sums = thread_scratch().sums.ensure(elements(y.rows, columns.count()));
    product->run_columns(y.rows, columns.begin, columns.end, source.data, sums);
    for (std::int64_t row = 0; row < y.rows; ++row) {
      dequantize_row({sums + row * columns.count(), width}, source.codes[static_cast<std::size_t>(row)], scales,
                     options.accumulate, y.row_span(row));
    }
  }

  void run_onednn_int8(const Source& source, const Columns& columns, const ColumnQuantParams& scales,
                       Bfloat16View y) const {
    const MatrixView wide(thread_scratch().part.ensure(elements(y.rows, y.cols)), y.rows, y.cols);
    run_onednn_int8(source, columns, scales, wide);
    for (std::int64_t row = 0; row < y.rows; ++row) internal::to_bfloat16(wide.row_span(row), y.row_span(row));
  }

  /// oneDNN writes dense matrices, so a part goes by way of one.
  template <typename Y>
  void run_part(const Source& source, const Columns& columns, BasicMatrixView<Y> y) const {
    const BasicMatrixView<Y> part(thread_scratch().part_of(y.data, elements(y.rows, columns.count())), y.rows,
                                  columns.count());
    const BasicMatrixView<Y> target = y.col_range(columns.begin, columns.end);
    if (options.accumulate) activate(Activation::identity, BasicMatrixView<const Y>(target), part);
    product->run_columns(y.rows, columns.begin, columns.end, source.data, part.data);
    activate(options.activation, BasicMatrixView<const Y>(part), target, accuracy());
  }

  template <typename X, typename Y>
  void run(const Execution& execution, BasicMatrixView<const X> x, BasicMatrixView<Y> y) const {
    if (x.cols != in || y.cols != out || x.rows != y.rows || x.stride != x.cols || y.stride != y.cols) {
      fail(ErrorCode::internal, "linear [{} → {}]: x is [{}, {}] (stride {}), y is [{}, {}] (stride {})", in, out,
           x.rows, x.cols, x.stride, y.rows, y.cols, y.stride);
    }
    if (rounding) see(execution, x);
    if (splits_outputs(execution, x.rows)) {
      run_split_outputs(execution, x, y);
      return;
    }
    execution.for_ranges(x.rows, kMaxSplitOutputRows / 2, [&](std::int64_t begin, std::int64_t end, int) {
      run_rows(x.row_range(begin, end), y.row_range(begin, end));
    });
  }

  template <typename X, typename Y>
  void run_rows(BasicMatrixView<const X> x, BasicMatrixView<Y> y) const {
    for (std::int64_t first = 0, last = 0; first < x.rows; first = last) {
      last = first + chunk_rows(x.rows - first);
      const Source source = convert(x.row_range(first, last), thread_scratch());
      run_columns(source, {0, y.cols}, y.row_range(first, last));
    }
  }

  /// How many of the rows left to take next. oneDNN has a primitive for each row count, and they are kept: of all
  /// counts up to 128 they would take tens of megabytes, of these two dozen next to nothing.
  std::int64_t chunk_rows(std::int64_t left) const {
    const std::int64_t most = std::min(left, typical_rows());
    return most < kRowStep ? most : most / kRowStep * kRowStep;
  }

  /// Threads share the outputs.
  template <typename X, typename Y>
  void run_split_outputs(const Execution& execution, BasicMatrixView<const X> x, BasicMatrixView<Y> y) const {
    const std::int64_t width = part_columns(parts(execution));
    execution.for_ranges((y.cols + width - 1) / width, 1, [&](std::int64_t begin, std::int64_t end, int) {
      // Each thread for itself: one would keep the others waiting, who would then fetch its lines.
      const Source source = convert(x, thread_scratch());
      for (std::int64_t part = begin; part < end; ++part) {
        run_columns(source, {part * width, std::min(y.cols, (part + 1) * width)}, y);
      }
    });
  }

  int parts(const Execution& execution) const {
    return static_cast<int>(std::clamp<std::int64_t>(out / kMinColumnsPerThread, 1, std::int64_t{execution.threads()}));
  }

  /// Outputs of one of `parts` parts.
  std::int64_t part_columns(int parts) const {
    if (!int8_gemm) return product->part_columns(parts);
    const std::int64_t panels = (out + int8_gemm->panel() - 1) / int8_gemm->panel();
    return (panels + parts - 1) / parts * int8_gemm->panel();
  }

  ActivationAccuracy accuracy() const {
    return options.type == ComputeType::float32 ? ActivationAccuracy::float32 : ActivationAccuracy::bfloat16;
  }

  std::int64_t typical_rows() const { return product ? product->typical_rows() : kTypicalInt8Rows; }

  std::int64_t in;
  std::int64_t out;
  Options options;
  Dequantizer dequantizer;                   // of int8 alone
  std::unique_ptr<WeightRounding> rounding;  // until it is corrected
  // One of the two.
  std::unique_ptr<const Matmul> product;
  std::unique_ptr<Int8Gemm> int8_gemm;
};

Linear::Linear(ConstMatrixView weight, std::span<const float> bias, const Options& options) {
  if (!bias.empty() && std::ssize(bias) != weight.rows) {
    fail(ErrorCode::internal, "linear: bias has {} values, the weight has {} rows", bias.size(), weight.rows);
  }
  if (options.accumulate && options.activation != Activation::identity) {
    fail(ErrorCode::internal, "linear: a residual cannot be added before the activation {}",
         activation_name(options.activation));
  }
  if (options.bfloat16_output && (options.accumulate || !supports_bf16_activations(options.type))) {
    fail(ErrorCode::internal, "linear: a {} layer cannot write bfloat16 here",
         options.accumulate ? "residual" : "float32");
  }
  impl_ = std::make_unique<Impl>(weight, bias, options);
}

Linear::Linear(Linear&&) noexcept = default;
Linear& Linear::operator=(Linear&&) noexcept = default;
Linear::~Linear() = default;

void Linear::run(const Execution& execution, ConstMatrixView x, MatrixView y) const {
  if (impl_->options.bfloat16_output) fail(ErrorCode::internal, "linear: y is float32, the layer writes bfloat16");
  impl_->run(execution, x, y);
}

void Linear::run(const Execution& execution, ConstMatrixView x, Bfloat16View y) const {
  if (!impl_->options.bfloat16_output) fail(ErrorCode::internal, "linear: y is bfloat16, the layer writes float32");
  impl_->run(execution, x, y);
}

void Linear::run(const Execution& execution, ConstBfloat16View x, MatrixView y) const {
  if (!supports_bf16_activations(impl_->options.type))
    fail(ErrorCode::internal, "linear: the layer cannot read bfloat16");
  impl_->run(execution, x, y);
}

bool Linear::splits_outputs(const Execution& execution, std::int64_t rows) {
  return execution.threads() > 1 && rows <= kMaxSplitOutputRows;
}

bool Linear::has_bfloat16_output() const noexcept { return impl_->options.bfloat16_output; }
ActivationAccuracy Linear::accuracy() const noexcept { return impl_->accuracy(); }
std::int64_t Linear::typical_rows() const noexcept { return impl_->typical_rows(); }
std::int64_t Linear::in_features() const noexcept { return impl_->in; }
std::int64_t Linear::out_features() const noexcept { return impl_->out; }

const char* Linear::implementation(std::int64_t rows) const {
  return impl_->product ? impl_->product->implementation(rows) : impl_->int8_gemm->name();
}

}  // namespace treble::internal
