#include "kernels/compute_isa.h"

#include <array>

#include "base/fail.h"

namespace treble::internal {

namespace {

struct AttentionChoice {
  CpuKind kind;
  Bfloat16Attention kernel;
};

// Where the numbers come from: docs/performance.md.
constexpr std::array<AttentionChoice, 5> kAttentionChoices = {{
    // No products of bfloat16; emulated ones are no faster than float32's.
    {CpuKind::other, Bfloat16Attention::float32},
    {CpuKind::avx512, Bfloat16Attention::float32},
    // Zen 4: whole models in bfloat16 1.13 times as fast on mixed lengths, 1.19 at 512 tokens.
    {CpuKind::avx512_bf16, Bfloat16Attention::avx512_bf16},
    // Emerald Rapids: a product of bfloat16 takes two cycles, and the AVX512-BF16 kernel 1.21, 1.31, 1.32, 1.23, 1.34
    // times as long as the float32 one at 16, 64, 128, 256, 512 tokens.
    {CpuKind::intel_avx512_bf16, Bfloat16Attention::float32},
    // The kernel for tiles has run in its plain twin alone: what was in use before stays until it is measured on such a
    // CPU (treble_attention_kernels). Its prototype there took 1/1.7 to 1/8 of this one's time.
    {CpuKind::amx, Bfloat16Attention::avx512_bf16},
}};

}  // namespace

std::string compute_type_note(ComputeType type) {
  if (type == ComputeType::bfloat16 && !has_bf16_matmul()) {
    return "emulated: the CPU (" + compute_isa() + ") has no bfloat16 products, so float32 is faster";
  }
  if (type == ComputeType::int8 && !onednn::effective_isa().vnni) {
    return "codes a bit narrower than 8 bits: the CPU (" + compute_isa() + ") has no VNNI and would saturate";
  }
  return {};
}

std::string compute_isa() { return std::string(onednn::effective_isa_name()); }

bool is_native(ComputeType type) { return type != ComputeType::bfloat16 || has_bf16_matmul(); }

bool supports_bf16_activations(ComputeType type) {
  if (!onednn::effective_isa().avx512_bf16) return false;
  return type == ComputeType::bfloat16 || (type == ComputeType::int8 && int8_isa() == Int8Isa::avx512_vnni);
}

CpuKind cpu_kind(const onednn::EffectiveIsa& isa, const CpuFeatures& features) {
  if (!isa.avx512) return CpuKind::other;
  if (!isa.avx512_bf16 || !features.avx512_vbmi) return CpuKind::avx512;
  if (isa.amx && features.amx) return CpuKind::amx;
  return features.intel ? CpuKind::intel_avx512_bf16 : CpuKind::avx512_bf16;
}

Bfloat16Attention bfloat16_attention(CpuKind kind) {
  for (const AttentionChoice& choice : kAttentionChoices) {
    if (choice.kind == kind) return choice.kernel;
  }
  fail(ErrorCode::internal, "attention: no kernel for CPUs of kind {}", static_cast<int>(kind));
}

Bfloat16Attention bfloat16_attention() {
  static const Bfloat16Attention kernel = bfloat16_attention(cpu_kind(onednn::effective_isa(), cpu_features()));
  return kernel;
}

bool cpu_supports(Bfloat16Attention kernel) {
  const CpuKind kind = cpu_kind(onednn::effective_isa(), cpu_features());
  switch (kernel) {
    case Bfloat16Attention::float32: return true;
    case Bfloat16Attention::avx512_bf16: return kind >= CpuKind::avx512_bf16;
    case Bfloat16Attention::amx: return kind == CpuKind::amx;
  }
  return false;
}

bool supports_bf16_attention(std::int64_t head_dim) {
  return bfloat16_attention() != Bfloat16Attention::float32 && head_dim % 2 == 0;
}

bool has_bf16_matmul() { return onednn::effective_isa().bf16; }

Int8Range int8_range() {
  if (onednn::effective_isa().vnni) return {};
  // 180 · 182 < 2¹⁵. Of the ranges that fit, this one keeps real models closest to float32.
  return {180, 105, 182};
}

Int8Isa int8_isa() {
  const onednn::EffectiveIsa& isa = onednn::effective_isa();
  if (isa.avx2_only && cpu_supports(Int8Isa::avx2)) return Int8Isa::avx2;
  const bool vnni = isa.avx512_vnni && !isa.amx && cpu_supports(Int8Isa::avx512_vnni);
  return vnni ? Int8Isa::avx512_vnni : Int8Isa::none;
}

bool cpu_supports(Int8Isa isa) {
  switch (isa) {
    case Int8Isa::none: return false;
    case Int8Isa::avx2: return cpu_features().avx2_fma;
    case Int8Isa::avx512_vnni: return cpu_features().avx512_vnni;
  }
  return false;
}

}  // namespace treble::internal
