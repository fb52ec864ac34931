#include "kernels/linear.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "base/fail.h"
#include "kernels/compute_isa.h"
#include "kernels/int8_calibration.h"
#include "kernels/linear_backend.h"

namespace treble::internal {

namespace {

/// Up to that many rows, threads split the outputs rather than the rows: reading the weights is then what takes long,
/// and so each is read once.
constexpr std::int64_t kMaxSplitOutputRows = 48;
/// Row counts of a GEMM are multiples of this, but for the remainder.
constexpr std::int64_t kRowStep = 16;
/// A thread gets at least that many outputs.
constexpr std::int64_t kMinColumnsPerThread = 64;

std::unique_ptr<LinearBackend> make_backend(ConstMatrixView weight, std::span<const float> bias,
                                            const Linear::Options& options) {
  switch (options.type) {
    case ComputeType::float32: return make_float32_linear(weight, bias, options);
    case ComputeType::bfloat16: return make_bfloat16_linear(weight, bias, options);
    case ComputeType::int8: return make_int8_linear(weight, bias, options);
    case ComputeType::automatic: break;
  }
  fail(ErrorCode::internal, "linear: the compute type must be chosen before weights are packed");
}

/// How many of the rows left to take next. oneDNN has a primitive for each row count, and they are kept: of all
/// counts up to 128 they would take tens of megabytes, of these two dozen next to nothing.
std::int64_t chunk_rows(const LinearBackend& backend, std::int64_t left) {
  const std::int64_t rows = std::min(left, backend.typical_rows());
  return rows < kRowStep ? rows : rows / kRowStep * kRowStep;
}

template <typename X, typename Y>
void run_rows(const LinearBackend& backend, BasicMatrixView<const X> x, BasicMatrixView<Y> y, LinearScratch& scratch) {
  for (std::int64_t first = 0, last = 0; first < x.rows; first = last) {
    last = first + chunk_rows(backend, x.rows - first);
    const GemmInput input = backend.prepare(x.row_range(first, last), scratch);
    backend.multiply(input, {0, y.cols}, y.row_range(first, last), scratch);
  }
}

template <typename X, typename Y>
void run_split_outputs(const LinearBackend& backend, const Execution& execution, BasicMatrixView<const X> x,
                       BasicMatrixView<Y> y) {
  const std::int64_t parts =
      std::clamp<std::int64_t>(y.cols / kMinColumnsPerThread, 1, std::int64_t{execution.threads()});
  const std::int64_t width = backend.part_columns(static_cast<int>(parts));
  execution.for_ranges((y.cols + width - 1) / width, 1, [&](std::int64_t begin, std::int64_t end, int worker) {
    LinearScratch& scratch = execution.scratch(worker).linear;
    // Each thread for itself: one alone would keep the others waiting, and they would then fetch its cache lines.
    const GemmInput input = backend.prepare(x, scratch);
    for (std::int64_t part = begin; part < end; ++part) {
      backend.multiply(input, {part * width, std::min(y.cols, (part + 1) * width)}, y, scratch);
    }
  });
}

}  // namespace

struct Linear::Impl {
  template <typename X, typename Y>
  void run(const Execution& execution, BasicMatrixView<const X> x, BasicMatrixView<Y> y) const {
    if (x.cols != in || y.cols != out || x.rows != y.rows || x.stride != x.cols || y.stride != y.cols) {
      fail(ErrorCode::internal, "linear [{} → {}]: x is [{}, {}] (stride {}), y is [{}, {}] (stride {})", in, out,
           x.rows, x.cols, x.stride, y.rows, y.cols, y.stride);
    }
    if (execution.calibration() != nullptr) execution.calibration()->observe_inputs(*backend, execution, x);
    if (splits_outputs(execution, x.rows)) {
      run_split_outputs(*backend, execution, x, y);
      return;
    }
    execution.for_ranges(x.rows, kMaxSplitOutputRows / 2, [&](std::int64_t begin, std::int64_t end, int worker) {
      run_rows(*backend, x.row_range(begin, end), y.row_range(begin, end), execution.scratch(worker).linear);
    });
  }

  std::int64_t in;
  std::int64_t out;
  ComputeType type;
  bool bfloat16_output;
  std::unique_ptr<const LinearBackend> backend;
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
  if (options.prepared != nullptr && (options.type != ComputeType::int8 || options.prepared->in != weight.cols ||
                                      options.prepared->out != weight.rows)) {
    fail(ErrorCode::internal, "linear [{} → {}]: prepared is an int8 layer [{} → {}]", weight.cols, weight.rows,
         options.prepared->in, options.prepared->out);
  }
  impl_ = std::make_unique<Impl>(weight.cols, weight.rows, options.type, options.bfloat16_output,
                                 make_backend(weight, bias, options));
}

Linear::Linear(Linear&&) noexcept = default;
Linear& Linear::operator=(Linear&&) noexcept = default;
Linear::~Linear() = default;

void Linear::run(const Execution& execution, ConstMatrixView x, MatrixView y) const {
  if (impl_->bfloat16_output) fail(ErrorCode::internal, "linear: y is float32, the layer writes bfloat16");
  impl_->run(execution, x, y);
}

void Linear::run(const Execution& execution, ConstMatrixView x, Bfloat16View y) const {
  if (!impl_->bfloat16_output) fail(ErrorCode::internal, "linear: y is bfloat16, the layer writes float32");
  impl_->run(execution, x, y);
}

void Linear::run(const Execution& execution, ConstBfloat16View x, MatrixView y) const {
  if (!supports_bf16_activations(impl_->type)) fail(ErrorCode::internal, "linear: the layer cannot read bfloat16");
  impl_->run(execution, x, y);
}

bool Linear::splits_outputs(const Execution& execution, std::int64_t rows) {
  return execution.threads() > 1 && rows <= kMaxSplitOutputRows;
}

bool Linear::has_bfloat16_output() const noexcept { return impl_->bfloat16_output; }
ActivationAccuracy Linear::accuracy() const noexcept {
  return impl_->type == ComputeType::float32 ? ActivationAccuracy::float32 : ActivationAccuracy::bfloat16;
}
std::int64_t Linear::typical_rows() const noexcept { return impl_->backend->typical_rows(); }
std::int64_t Linear::in_features() const noexcept { return impl_->in; }
std::int64_t Linear::out_features() const noexcept { return impl_->out; }

const char* Linear::implementation(std::int64_t rows) const { return impl_->backend->implementation(rows); }

}  // namespace treble::internal
