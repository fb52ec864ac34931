#include "kernels/linear.h"

#include <algorithm>
#include <cstring>
#include <map>
#include <mutex>
#include <oneapi/dnnl/dnnl.hpp>
#include <string>
#include <utility>

#include "base/fail.h"
#include "kernels/activation_ops.h"
#include "tensor/aligned_buffer.h"

// Of the OpenMP run-time that oneDNN is linked with; declared here because <omp.h> belongs to GCC and clang has its
// own.
extern "C" {
int omp_get_max_threads();
void omp_set_num_threads(int threads);
}

namespace treble {

namespace {

using dnnl::memory;
using Tag = memory::format_tag;
constexpr auto kFloat = memory::data_type::f32;

/// The packed layout is chosen once, for a micro-batch of a typical size, and every other row count keeps it.
constexpr std::int64_t kTypicalRows = 128;
/// Below this many rows a range is not worth a thread of its own.
constexpr std::int64_t kRowsPerThread = 8;
/// A primitive is made for each row count that occurs; this bounds how many are kept.
constexpr std::size_t kMaxPrimitives = 256;

dnnl::primitive_attr attributes(const Linear::Options& options) {
  dnnl::post_ops ops;
  if (options.accumulate) ops.append_sum(1.0F);
  dnnl::primitive_attr attr;
  attr.set_post_ops(ops);
  attr.set_scratchpad_mode(dnnl::scratchpad_mode::user);
  return attr;
}

/// Treble's own pool does the threading, so every oneDNN call stays on the thread that makes it.
class SingleThreadScope {
 public:
  SingleThreadScope() : before_(omp_get_max_threads()) {
    if (before_ != 1) omp_set_num_threads(1);
  }
  ~SingleThreadScope() {
    if (before_ != 1) omp_set_num_threads(before_);
  }
  SingleThreadScope(const SingleThreadScope&) = delete;
  SingleThreadScope& operator=(const SingleThreadScope&) = delete;

 private:
  int before_;
};

}  // namespace

struct Linear::Impl {
  using PrimitiveDesc = dnnl::inner_product_forward::primitive_desc;

  struct Prepared {
    PrimitiveDesc desc;
    dnnl::inner_product_forward primitive;
  };

  Impl(std::int64_t in_features, std::int64_t out_features, const Options& chosen)
      : in(in_features), out(out_features), options(chosen), engine(dnnl::engine::kind::cpu, 0) {}

  memory::desc dense(std::int64_t rows, std::int64_t cols) const { return {{rows, cols}, kFloat, Tag::ab}; }

  PrimitiveDesc describe(std::int64_t rows, const memory::desc& weights_desc) const {
    const memory::desc bias_desc = has_bias ? memory::desc({out}, kFloat, Tag::a) : memory::desc();
    return {engine,
            dnnl::prop_kind::forward_inference,
            dense(rows, in),
            weights_desc,
            bias_desc,
            dense(rows, out),
            attributes(options)};
  }

  void pack(ConstMatrixView weight, std::span<const float> bias_values) {
    has_bias = !bias_values.empty();
    const auto typical = describe(kTypicalRows, memory::desc({out, in}, kFloat, Tag::any));
    packed_desc = typical.weights_desc();
    memory source({{out, in}, kFloat, memory::dims{weight.stride, 1}}, engine, const_cast<float*>(weight.data));
    memory packed(packed_desc, engine, weights.ensure((packed_desc.get_size() + 3) / 4));
    dnnl::stream stream(engine);
    dnnl::reorder(source, packed).execute(stream, source, packed);
    stream.wait();
    std::copy(bias_values.begin(), bias_values.end(), bias.ensure(bias_values.size()));
  }

  Prepared prepared(std::int64_t rows) const {
    const std::lock_guard lock(mutex);
    if (const auto found = primitives.find(rows); found != primitives.end()) return found->second;
    if (primitives.size() >= kMaxPrimitives) primitives.clear();
    const auto desc = describe(rows, packed_desc);
    return primitives.emplace(rows, Prepared{desc, dnnl::inner_product_forward(desc)}).first->second;
  }

  void run_rows(ConstMatrixView x, MatrixView y) const {
    const SingleThreadScope single_thread;
    const Prepared call = prepared(x.rows);
    // oneDNN's arguments are not const, but it only reads these.
    memory source(call.desc.src_desc(), engine, const_cast<float*>(x.data));
    memory weight(packed_desc, engine, const_cast<float*>(weights.data()));
    memory target(call.desc.dst_desc(), engine, y.data);
    memory scratch(call.desc.scratchpad_desc(), engine);
    std::unordered_map<int, memory> arguments = {
        {DNNL_ARG_SRC, source}, {DNNL_ARG_WEIGHTS, weight}, {DNNL_ARG_DST, target}, {DNNL_ARG_SCRATCHPAD, scratch}};
    if (has_bias) {
      arguments.emplace(DNNL_ARG_BIAS, memory(call.desc.bias_desc(), engine, const_cast<float*>(bias.data())));
    }
    dnnl::stream stream(engine);
    call.primitive.execute(stream, arguments);
    stream.wait();
    // As a pass of our own: oneDNN's erf as a post-op takes twice the time on AVX2.
    activate(options.activation, y);
  }

  std::int64_t in;
  std::int64_t out;
  Options options;
  dnnl::engine engine;
  bool has_bias = false;
  memory::desc packed_desc;
  AlignedBuffer<float> weights;
  AlignedBuffer<float> bias;
  mutable std::mutex mutex;
  mutable std::map<std::int64_t, Prepared> primitives;
};

Linear::Linear(ConstMatrixView weight, std::span<const float> bias, const Options& options)
    : impl_(std::make_unique<Impl>(weight.cols, weight.rows, options)) {
  if (!bias.empty() && static_cast<std::int64_t>(bias.size()) != weight.rows) {
    fail(ErrorCode::internal, "linear: bias has {} values, the weight has {} rows", bias.size(), weight.rows);
  }
  if (options.accumulate && options.activation != Activation::identity) {
    fail(ErrorCode::internal, "linear: a residual cannot be added before the activation {}",
         activation_name(options.activation));
  }
  const SingleThreadScope single_thread;
  impl_->pack(weight, bias);
}

Linear::Linear(Linear&&) noexcept = default;
Linear& Linear::operator=(Linear&&) noexcept = default;
Linear::~Linear() = default;

void Linear::run(const Execution& execution, ConstMatrixView x, MatrixView y) const {
  if (x.cols != impl_->in || y.cols != impl_->out || x.rows != y.rows || x.stride != x.cols || y.stride != y.cols) {
    fail(ErrorCode::internal, "linear [{} → {}]: x is [{}, {}] (stride {}), y is [{}, {}] (stride {})", impl_->in,
         impl_->out, x.rows, x.cols, x.stride, y.rows, y.cols, y.stride);
  }
  execution.for_ranges(x.rows, kRowsPerThread, [&](std::int64_t begin, std::int64_t end, int) {
    impl_->run_rows(x.row_range(begin, end), y.row_range(begin, end));
  });
}

std::int64_t Linear::in_features() const noexcept { return impl_->in; }
std::int64_t Linear::out_features() const noexcept { return impl_->out; }

const char* Linear::implementation(std::int64_t rows) const {
  const SingleThreadScope single_thread;
  return impl_->prepared(rows).desc.impl_info_str();
}

}  // namespace treble
