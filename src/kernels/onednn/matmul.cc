#include "kernels/onednn/matmul.h"

#include <algorithm>
#include <array>
#include <compare>
#include <cstddef>
#include <map>
#include <mutex>
#include <oneapi/dnnl/dnnl.hpp>
#include <utility>

#include "tensor/aligned_buffer.h"
#include "tensor/weight_memory.h"

// Of the OpenMP run-time that oneDNN is linked with; declared here because <omp.h> belongs to GCC and clang has its
// own.
extern "C" {
int omp_get_max_threads();
void omp_set_num_threads(int threads);
}

namespace treble::internal::onednn {

namespace {

using dnnl::memory;
using Tag = memory::format_tag;
using Type = memory::data_type;

/// The packed layout is chosen once, for a micro-batch of a usual size, and every other row count keeps it.
constexpr std::int64_t kLayoutRows = 128;
/// 64 rows make the GEMMs a tenth slower, 256 no faster.
constexpr std::int64_t kTypicalRows = 128;
/// Reordering the weights is then a twentieth of the work.
constexpr std::int64_t kTypicalRowsUnpacked = 256;
/// A primitive is made for each shape and row count that occurs; this bounds how many a context keeps.
constexpr std::size_t kMaxPrimitives = 1024;

struct Types {
  Type source;
  Type weight;
  Type target;
};

Types types_of(MatmulKind kind) {
  switch (kind) {
    case MatmulKind::bfloat16: return {Type::bf16, Type::bf16, Type::f32};
    case MatmulKind::bfloat16_output_bf16: return {Type::bf16, Type::bf16, Type::bf16};
    case MatmulKind::int8: return {Type::u8, Type::s8, Type::s32};
    case MatmulKind::float32: break;
  }
  return {Type::f32, Type::f32, Type::f32};
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

dnnl::primitive_attr attributes(bool accumulate) {
  dnnl::post_ops ops;
  if (accumulate) ops.append_sum(1.0F);
  dnnl::primitive_attr attr;
  attr.set_post_ops(ops);
  attr.set_scratchpad_mode(dnnl::scratchpad_mode::user);
  return attr;
}

/// Whether `part` is laid out as the rows of `whole` are: with them on the outside, so that some rows of `whole` are a
/// `part` of their own.
bool is_slice(const memory::desc& whole, const memory::desc& part) {
  return whole.get_inner_blks() == part.get_inner_blks() && whole.get_inner_idxs() == part.get_inner_idxs() &&
         whole.get_strides() == part.get_strides() && whole.get_strides().front() > whole.get_strides().back();
}

/// Rows of a matrix that lie in one block.
std::int64_t row_block(const memory::desc& desc) {
  std::int64_t block = 1;
  const auto sizes = desc.get_inner_blks();
  const auto dims = desc.get_inner_idxs();
  for (std::size_t i = 0; i < sizes.size(); ++i) block *= dims[i] == 0 ? sizes[i] : 1;
  return block;
}

using PrimitiveDesc = dnnl::inner_product_forward::primitive_desc;

/// What a primitive depends on: the layout of the packed weights follows from it too.
struct PrimitiveKey {
  MatmulKind kind;
  std::int64_t in;
  std::int64_t out;
  bool has_bias;
  bool accumulate;
  std::int64_t columns;
  std::int64_t rows;
  auto operator<=>(const PrimitiveKey&) const = default;
};

/// Immutable, and stateless on the CPU; every Matmul holds a reference of its own.
const dnnl::engine& cpu_engine() {
  static const dnnl::engine engine(dnnl::engine::kind::cpu, 0);
  return engine;
}

struct OutputRange {
  std::int64_t begin;
  std::int64_t end;
};

struct CallData {
  const void* x;
  const void* weights;
  const void* bias;
  void* y;
};

/// A primitive with oneDNN's objects for its arguments, which take longer to make than a small GEMM takes to run.
class Call {
 public:
  explicit Call(const PrimitiveDesc& desc)
      : primitive_(desc),
        x_(unbound(desc.src_desc())),
        weights_(unbound(desc.weights_desc())),
        bias_(unbound(desc.bias_desc())),
        y_(unbound(desc.dst_desc())),
        scratchpad_(unbound(desc.scratchpad_desc())),
        scratchpad_bytes_(desc.scratchpad_desc().get_size()),
        arguments_{{{DNNL_ARG_SRC, x_.get()},
                    {DNNL_ARG_WEIGHTS, weights_.get()},
                    {DNNL_ARG_BIAS, bias_.get()},
                    {DNNL_ARG_DST, y_.get()},
                    {DNNL_ARG_SCRATCHPAD, scratchpad_.get()}}} {}

  void execute(const dnnl::stream& stream, const CallData& data, AlignedBuffer<std::byte>& scratchpad) {
    bind(x_, data.x);
    bind(weights_, data.weights);
    if (data.bias != nullptr) bind(bias_, data.bias);
    bind(y_, data.y);
    if (scratchpad_bytes_ > 0) bind(scratchpad_, scratchpad.ensure(scratchpad_bytes_));
    const auto count = static_cast<int>(arguments_.size());
    dnnl::error::wrap_c_api(dnnl_primitive_execute(primitive_.get(), stream.get(), count, arguments_.data()),
                            "could not multiply matrices");
  }

 private:
  static memory unbound(const memory::desc& desc) { return {desc, cpu_engine(), DNNL_MEMORY_NONE}; }

  /// oneDNN's arguments are not const, but it only reads these.
  static void bind(const memory& argument, const void* data) { argument.set_data_handle(const_cast<void*>(data)); }

  dnnl::inner_product_forward primitive_;
  memory x_;
  memory weights_;
  memory bias_;
  memory y_;
  memory scratchpad_;
  std::size_t scratchpad_bytes_;
  std::array<dnnl_exec_arg_t, 5> arguments_;
};

}  // namespace

struct MatmulContext::Impl {
  dnnl::stream stream = dnnl::stream(cpu_engine());
  std::map<PrimitiveKey, Call> calls;
  AlignedBuffer<std::byte> scratchpad;

  template <typename Describe>
  Call& get(const PrimitiveKey& key, const Describe& describe) {
    if (const auto found = calls.find(key); found != calls.end()) return found->second;
    if (calls.size() >= kMaxPrimitives) calls.clear();
    return calls.emplace(key, Call(describe())).first->second;
  }
};

MatmulContext::MatmulContext() = default;
MatmulContext::MatmulContext(MatmulContext&&) noexcept = default;
MatmulContext& MatmulContext::operator=(MatmulContext&&) noexcept = default;
MatmulContext::~MatmulContext() = default;

struct Matmul::Impl {
  Impl(MatmulKind kind_in, const MatmulWeights& shape)
      : kind(kind_in),
        in(shape.in),
        out(shape.out),
        types(types_of(kind)),
        has_bias(!shape.bias.empty()),
        accumulate(shape.accumulate),
        engine(cpu_engine()) {}

  /// `columns` outputs with weights laid out as `weights_desc` says.
  PrimitiveDesc describe(std::int64_t rows, std::int64_t columns, const memory::desc& weights_desc) const {
    return {engine,
            dnnl::prop_kind::forward_inference,
            memory::desc({rows, in}, types.source, Tag::ab),
            weights_desc,
            has_bias ? memory::desc({columns}, Type::f32, Tag::a) : memory::desc(),
            memory::desc({rows, columns}, types.target, Tag::ab),
            attributes(accumulate)};
  }

  memory::desc any_layout(std::int64_t columns) const { return {{columns, in}, types.weight, Tag::any}; }

  void pack(const MatmulWeights& source) {
    packed_desc = describe(kLayoutRows, out, any_layout(out)).weights_desc();
    packs = !packed_desc.get_inner_blks().empty();
    // Weights that are reordered in every call are left row-major, which can be split by outputs.
    if (!packs) packed_desc = memory::desc({out, in}, types.weight, Tag::ab);
    const memory::desc stored_desc({out, in}, types.weight, memory::dims{source.stride, 1});
    memory stored(stored_desc, engine, const_cast<void*>(source.data));
    weights = WeightMemory(packed_desc.get_size());
    bytes_a_column = static_cast<std::size_t>(packed_desc.get_strides().front() / row_block(packed_desc)) *
                     memory::data_type_size(types.weight);
    memory packed(packed_desc, engine, weights.data());
    dnnl::stream stream(engine);
    dnnl::reorder(stored, packed).execute(stream, stored, packed);
    stream.wait();
    std::copy(source.bias.begin(), source.bias.end(), bias.ensure(source.bias.size()));
  }

  /// oneDNN may choose another layout for fewer outputs; such parts are none.
  std::int64_t part_columns(int parts) const {
    const std::scoped_lock lock(mutex);
    if (const auto found = known_parts.find(parts); found != known_parts.end()) return found->second;
    const std::int64_t block = row_block(packed_desc);
    const std::int64_t blocks = (out + block - 1) / block;
    const std::int64_t columns = std::min(out, (blocks + parts - 1) / parts * block);
    const std::int64_t last = out % columns == 0 ? columns : out % columns;
    const bool divides = is_slice(packed_desc, part_desc(columns)) && is_slice(packed_desc, part_desc(last));
    return known_parts[parts] = divides ? columns : out;
  }

  /// Of the weights of some outputs.
  memory::desc part_desc(std::int64_t columns) const {
    if (!packs) return {{columns, in}, types.weight, Tag::ab};
    return describe(kLayoutRows, columns, any_layout(columns)).weights_desc();
  }

  PrimitiveKey key_of(std::int64_t rows, std::int64_t columns) const {
    return {kind, in, out, has_bias, accumulate, columns, rows};
  }

  PrimitiveDesc describe(std::int64_t rows, std::int64_t columns) const {
    return describe(rows, columns, columns == out ? packed_desc : part_desc(columns));
  }

  void run(MatmulContext::Impl& context, std::int64_t rows, const OutputRange& outputs, const CallData& data) const {
    const SingleThreadScope single_thread;
    const std::int64_t columns = outputs.end - outputs.begin;
    Call& call = context.get(key_of(rows, columns), [&] { return describe(rows, columns); });
    call.execute(context.stream, data, context.scratchpad);
    context.stream.wait();
  }

  /// `x` and `y` with the weights and biases of some outputs.
  CallData bind(const OutputRange& outputs, const void* x, void* y) const {
    return {x, weights.data() + byte_offset(outputs.begin), has_bias ? bias.data() + outputs.begin : nullptr, y};
  }

  /// Of the weights of output `column`, the first of a block.
  std::size_t byte_offset(std::int64_t column) const { return static_cast<std::size_t>(column) * bytes_a_column; }

  MatmulKind kind;
  std::int64_t in;
  std::int64_t out;
  Types types;
  bool has_bias;
  bool accumulate;
  bool packs = true;  ///< weights are packed as the GEMMs read them
  dnnl::engine engine;
  memory::desc packed_desc;
  WeightMemory weights;
  std::size_t bytes_a_column = 0;
  AlignedBuffer<float> bias;
  mutable std::mutex mutex;
  mutable std::map<int, std::int64_t> known_parts;
};

Matmul::Matmul(MatmulKind kind, const MatmulWeights& weights) : impl_(std::make_unique<Impl>(kind, weights)) {
  const SingleThreadScope single_thread;
  impl_->pack(weights);
}

Matmul::Matmul(Matmul&&) noexcept = default;
Matmul& Matmul::operator=(Matmul&&) noexcept = default;
Matmul::~Matmul() = default;

void Matmul::run(MatmulContext& context, std::int64_t rows, const void* x, void* y) const {
  run_columns(context, rows, 0, impl_->out, x, y);
}

void Matmul::run_columns(MatmulContext& context, std::int64_t rows, std::int64_t begin, std::int64_t end, const void* x,
                         void* y) const {
  if (!context.impl_) context.impl_ = std::make_unique<MatmulContext::Impl>();
  impl_->run(*context.impl_, rows, {begin, end}, impl_->bind({begin, end}, x, y));
}

std::int64_t Matmul::part_columns(int parts) const {
  const SingleThreadScope single_thread;
  return impl_->part_columns(parts);
}
std::int64_t Matmul::typical_rows() const noexcept { return impl_->packs ? kTypicalRows : kTypicalRowsUnpacked; }
std::int64_t Matmul::in_features() const noexcept { return impl_->in; }
std::int64_t Matmul::out_features() const noexcept { return impl_->out; }

const char* Matmul::implementation(std::int64_t rows) const {
  const SingleThreadScope single_thread;
  return impl_->describe(rows, impl_->out).impl_info_str();
}

}  // namespace treble::internal::onednn
