#include "kernels/onednn/product.h"

#include <algorithm>
#include <map>
#include <mutex>
#include <oneapi/dnnl/dnnl.hpp>
#include <unordered_map>
#include <utility>

#include "tensor/aligned_buffer.h"

// Of the OpenMP run-time that oneDNN is linked with; declared here because <omp.h> belongs to GCC and clang has its
// own.
extern "C" {
int omp_get_max_threads();
void omp_set_num_threads(int threads);
}

namespace treble::onednn {

namespace {

using dnnl::memory;
using Tag = memory::format_tag;
using Type = memory::data_type;

/// The packed layout is chosen once, for a micro-batch of a typical size, and every other row count keeps it.
constexpr std::int64_t kTypicalRows = 128;
/// A primitive is made for each row count that occurs; this bounds how many are kept.
constexpr std::size_t kMaxPrimitives = 256;

struct Types {
  Type source;
  Type weight;
  Type target;
};

Types types_of(ProductKind kind) {
  switch (kind) {
    case ProductKind::bfloat16: return {Type::bf16, Type::bf16, Type::f32};
    case ProductKind::int8: return {Type::u8, Type::s8, Type::s32};
    case ProductKind::float32: break;
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

bool has_bfloat16() { return has_isa(dnnl::cpu_isa::avx512_core_bf16) || has_isa(dnnl::cpu_isa::avx2_vnni_2); }

bool has_vnni() { return has_isa(dnnl::cpu_isa::avx512_core_vnni) || has_isa(dnnl::cpu_isa::avx2_vnni); }

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

struct Product::Impl {
  using PrimitiveDesc = dnnl::inner_product_forward::primitive_desc;

  struct Prepared {
    PrimitiveDesc desc;
    dnnl::inner_product_forward primitive;
  };

  Impl(ProductKind kind, const ProductWeights& shape)
      : in(shape.in),
        out(shape.out),
        types(types_of(kind)),
        has_bias(!shape.bias.empty()),
        accumulate(shape.accumulate),
        engine(dnnl::engine::kind::cpu, 0) {}

  PrimitiveDesc describe(std::int64_t rows, const memory::desc& weights_desc) const {
    return {engine,
            dnnl::prop_kind::forward_inference,
            memory::desc({rows, in}, types.source, Tag::ab),
            weights_desc,
            has_bias ? memory::desc({out}, Type::f32, Tag::a) : memory::desc(),
            memory::desc({rows, out}, types.target, Tag::ab),
            attributes(accumulate)};
  }

  void pack(const ProductWeights& source) {
    const auto typical = describe(kTypicalRows, memory::desc({out, in}, types.weight, Tag::any));
    packed_desc = typical.weights_desc();
    const memory::desc stored_desc({out, in}, types.weight, memory::dims{source.stride, 1});
    memory stored(stored_desc, engine, const_cast<void*>(source.data));
    memory packed(packed_desc, engine, weights.ensure(packed_desc.get_size()));
    dnnl::stream stream(engine);
    dnnl::reorder(stored, packed).execute(stream, stored, packed);
    stream.wait();
    std::copy(source.bias.begin(), source.bias.end(), bias.ensure(source.bias.size()));
  }

  Prepared prepared(std::int64_t rows) const {
    const std::lock_guard lock(mutex);
    if (const auto found = primitives.find(rows); found != primitives.end()) return found->second;
    if (primitives.size() >= kMaxPrimitives) primitives.clear();
    const auto desc = describe(rows, packed_desc);
    return primitives.emplace(rows, Prepared{desc, dnnl::inner_product_forward(desc)}).first->second;
  }

  std::int64_t in;
  std::int64_t out;
  Types types;
  bool has_bias;
  bool accumulate;
  dnnl::engine engine;
  memory::desc packed_desc;
  AlignedBuffer<std::byte> weights;
  AlignedBuffer<float> bias;
  mutable std::mutex mutex;
  mutable std::map<std::int64_t, Prepared> primitives;
};

Product::Product(ProductKind kind, const ProductWeights& weights) : impl_(std::make_unique<Impl>(kind, weights)) {
  const SingleThreadScope single_thread;
  impl_->pack(weights);
}

Product::Product(Product&&) noexcept = default;
Product& Product::operator=(Product&&) noexcept = default;
Product::~Product() = default;

void Product::run(std::int64_t rows, const void* source, void* target) const {
  const SingleThreadScope single_thread;
  const Impl::Prepared call = impl_->prepared(rows);
  // oneDNN's arguments are not const, but it only reads these.
  const auto bind = [&](const memory::desc& desc, const void* data) {
    return memory(desc, impl_->engine, const_cast<void*>(data));
  };
  std::unordered_map<int, memory> arguments = {
      {DNNL_ARG_SRC, bind(call.desc.src_desc(), source)},
      {DNNL_ARG_WEIGHTS, bind(impl_->packed_desc, impl_->weights.data())},
      {DNNL_ARG_DST, bind(call.desc.dst_desc(), target)},
      {DNNL_ARG_SCRATCHPAD, memory(call.desc.scratchpad_desc(), impl_->engine)}};
  if (impl_->has_bias) arguments.emplace(DNNL_ARG_BIAS, bind(call.desc.bias_desc(), impl_->bias.data()));
  dnnl::stream stream(impl_->engine);
  call.primitive.execute(stream, arguments);
  stream.wait();
}

std::int64_t Product::in_features() const noexcept { return impl_->in; }
std::int64_t Product::out_features() const noexcept { return impl_->out; }

const char* Product::implementation(std::int64_t rows) const {
  const SingleThreadScope single_thread;
  return impl_->prepared(rows).desc.impl_info_str();
}

}  // namespace treble::onednn
