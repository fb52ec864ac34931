#include "kernels/compute_isa.h"

#include "base/cpu.h"
#include "kernels/onednn/effective_isa.h"

namespace treble::internal {

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

bool supports_bf16_attention(std::int64_t head_dim) {
  return onednn::effective_isa().avx512_bf16 && cpu_features().avx512_vbmi && head_dim % 2 == 0;
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
