#include "kernels/onednn/matmul.h"

#include <algorithm>
#include <array>
#include <compare>
#include <cstddef>
#include <map>
#include <mutex>
#include <oneapi/dnnl/dnnl.hpp>
#include <shared_mutex>
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
/// 64 rows give the products a tenth less speed, 256 no more.
constexpr std::int64_t kTypicalRows = 128;
/// The rearranging of weights is then a twentieth of the work.
constexpr std::int64_t kTypicalRowsUnpacked = 256;
/// A primitive is made for each shape and row count that occurs; this bounds how many are kept.
constexpr std::size_t kMaxPrimitives = 1024;

struct Types {
  Type source;
  Type weight;
  Type target;
};

Types types_of(MatmulKind kind) {
  switch (kind) {
    case MatmulKind::bfloat16: return {Type::bf16, Type::bf16, Type::f32};
    case MatmulKind::bfloat16_output_bfloat16: return {Type::bf16, Type::bf16, Type::bf16};
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

/// dnnl_cpu_isa_t is a set of bits: a set holds another when it has all its bits.
bool has_isa(dnnl::cpu_isa isa) {
  const auto wanted = static_cast<unsigned>(isa);
  return (static_cast<unsigned>(dnnl::get_effective_cpu_isa()) & wanted) == wanted;
}

}  // namespace

bool has_avx512_bfloat16() { return has_isa(dnnl::cpu_isa::avx512_core_bf16); }

bool has_bfloat16() { return has_avx512_bfloat16() || has_isa(dnnl::cpu_isa::avx2_vnni_2); }

bool has_vnni() { return has_isa(dnnl::cpu_isa::avx512_core_vnni) || has_isa(dnnl::cpu_isa::avx2_vnni); }

bool has_avx512_vnni_alone() {
  return has_isa(dnnl::cpu_isa::avx512_core_vnni) && !has_isa(dnnl::cpu_isa::avx512_core_amx);
}

bool has_avx2_alone() { return dnnl::get_effective_cpu_isa() == dnnl::cpu_isa::avx2; }

Int8Range int8_range() {
  if (has_vnni()) return {};
  // 180 · 182 < 2¹⁵. Of the ranges that fit, this one keeps real models closest to float32.
  return {180, 105, 182};
}

std::string isa_name() {
  switch (dnnl::get_effective_cpu_isa()) {
    case dnnl::cpu_isa::sse41: return "SSE4.1";
    case dnnl::cpu_isa::avx: return "AVX";
    case dnnl::cpu_isa::avx2: return "AVX2";
    case dnnl::cpu_isa::avx2_vnni: return "AVX2 with VNNI";
    case dnnl::cpu_isa::avx2_vnni_2: return "AVX2 with VNNI and bfloat16";
    case dnnl::cpu_isa::avx512_core: return "AVX-512";
    case dnnl::cpu_isa::avx512_core_vnni: return "AVX-512 with VNNI";
    case dnnl::cpu_isa::avx512_core_bf16: return "AVX-512 with VNNI and bfloat16";
    case dnnl::cpu_isa::avx512_core_fp16: return "AVX-512 with VNNI, bfloat16 and float16";
    case dnnl::cpu_isa::avx512_core_amx: return "AVX-512 with AMX";
    case dnnl::cpu_isa::avx512_core_amx_fp16: return "AVX-512 with AMX and float16";
    default: return "another instruction set";
  }
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

namespace {

using PrimitiveDesc = dnnl::inner_product_forward::primitive_desc;

struct Prepared {
  PrimitiveDesc desc;
  dnnl::inner_product_forward primitive;
};

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

/// The primitives of the whole process. A model's layers are of few shapes, and texts of many lengths make many row
/// counts: were each layer to keep its own, a long run's memory would grow by a hundred megabytes.
class PrimitiveCache {
 public:
  template <typename Make>
  Prepared get(const PrimitiveKey& key, const Make& make) {
    {
      const std::shared_lock lock(mutex_);
      if (const auto found = primitives_.find(key); found != primitives_.end()) return found->second;
    }
    const std::unique_lock lock(mutex_);
    if (const auto found = primitives_.find(key); found != primitives_.end()) return found->second;
    if (primitives_.size() >= kMaxPrimitives) primitives_.clear();
    const PrimitiveDesc desc = make();
    return primitives_.emplace(key, Prepared{desc, dnnl::inner_product_forward(desc)}).first->second;
  }

 private:
  std::shared_mutex mutex_;
  std::map<PrimitiveKey, Prepared> primitives_;
};

// Neither is ever destroyed: threads may still be at work when the process ends.
const dnnl::engine& cpu_engine() {
  static const auto* const engine = new dnnl::engine(dnnl::engine::kind::cpu, 0);
  return *engine;
}

PrimitiveCache& primitive_cache() {
  static auto* const cache = new PrimitiveCache;
  return *cache;
}

struct CallData {
  const void* source;
  const void* weights;
  const void* bias;
  void* target;
};

/// A primitive with oneDNN's objects for its arguments, which take longer to make than a small product takes to run.
class Call {
 public:
  explicit Call(const Prepared& prepared)
      : primitive_(prepared.primitive),
        source_(unbound(prepared.desc.src_desc())),
        weights_(unbound(prepared.desc.weights_desc())),
        bias_(unbound(prepared.desc.bias_desc())),
        target_(unbound(prepared.desc.dst_desc())),
        scratchpad_(unbound(prepared.desc.scratchpad_desc())),
        scratchpad_bytes_(prepared.desc.scratchpad_desc().get_size()),
        arguments_{{{DNNL_ARG_SRC, source_.get()},
                    {DNNL_ARG_WEIGHTS, weights_.get()},
                    {DNNL_ARG_BIAS, bias_.get()},
                    {DNNL_ARG_DST, target_.get()},
                    {DNNL_ARG_SCRATCHPAD, scratchpad_.get()}}} {}

  void execute(const dnnl::stream& stream, const CallData& data, AlignedBuffer<std::byte>& scratch) {
    bind(source_, data.source);
    bind(weights_, data.weights);
    if (data.bias != nullptr) bind(bias_, data.bias);
    bind(target_, data.target);
    if (scratchpad_bytes_ > 0) bind(scratchpad_, scratch.ensure(scratchpad_bytes_));
    const auto count = static_cast<int>(arguments_.size());
    dnnl::error::wrap_c_api(dnnl_primitive_execute(primitive_.get(), stream.get(), count, arguments_.data()),
                            "could not multiply matrices");
  }

 private:
  static memory unbound(const memory::desc& desc) { return {desc, cpu_engine(), DNNL_MEMORY_NONE}; }

  /// oneDNN's arguments are not const, but it only reads these.
  static void bind(const memory& argument, const void* data) { argument.set_data_handle(const_cast<void*>(data)); }

  dnnl::inner_product_forward primitive_;
  memory source_;
  memory weights_;
  memory bias_;
  memory target_;
  memory scratchpad_;
  std::size_t scratchpad_bytes_;
  std::array<dnnl_exec_arg_t, 5> arguments_;
};

/// A thread's own.
struct ThreadCalls {
  dnnl::stream stream = dnnl::stream(cpu_engine());
  std::map<PrimitiveKey, Call> calls;
  AlignedBuffer<std::byte> scratch;

  template <typename Make>
  Call& get(const PrimitiveKey& key, const Make& make) {
    if (const auto found = calls.find(key); found != calls.end()) return found->second;
    if (calls.size() >= kMaxPrimitives) calls.clear();
    return calls.emplace(key, Call(make())).first->second;
  }
};

ThreadCalls& thread_calls() {
  thread_local ThreadCalls calls;
  return calls;
}

}  // namespace

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
    // What is rearranged in every call may as well lie as it was stored, which can be divided by outputs.
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

  Prepared prepared(std::int64_t rows, std::int64_t columns) const {
    return primitive_cache().get(key_of(rows, columns), [&] {
      return describe(rows, columns, columns == out ? packed_desc : part_desc(columns));
    });
  }

  void run(std::int64_t rows, std::int64_t begin, std::int64_t end, const void* source, void* target) const {
    const SingleThreadScope single_thread;
    ThreadCalls& own = thread_calls();
    Call& call = own.get(key_of(rows, end - begin), [&] { return prepared(rows, end - begin); });
    call.execute(own.stream,
                 {source, weights.data() + byte_offset(begin), has_bias ? bias.data() + begin : nullptr, target},
                 own.scratch);
    own.stream.wait();
  }

  /// Of the weights of output `column`, the first of a block.
  std::size_t byte_offset(std::int64_t column) const { return static_cast<std::size_t>(column) * bytes_a_column; }

  MatmulKind kind;
  std::int64_t in;
  std::int64_t out;
  Types types;
  bool has_bias;
  bool accumulate;
  bool packs = true;  ///< weights are in the form that the products read
  const dnnl::engine& engine;
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

void Matmul::run(std::int64_t rows, const void* source, void* target) const {
  impl_->run(rows, 0, impl_->out, source, target);
}

void Matmul::run_columns(std::int64_t rows, std::int64_t begin, std::int64_t end, const void* source,
                         void* target) const {
  impl_->run(rows, begin, end, source, target);
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
  return impl_->prepared(rows, impl_->out).desc.impl_info_str();
}

}  // namespace treble::internal::onednn
