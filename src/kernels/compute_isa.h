// Which of the kernels this CPU runs: every choice by instruction set, within ONEDNN_MAX_CPU_ISA.
#pragma once

#include <cstdint>
#include <string>

#include "base/cpu.h"
#include "kernels/onednn/effective_isa.h"
#include "treble/options.h"

namespace treble::internal {

/// What this CPU makes of a compute type, for people; empty where nothing needs saying.
///   bfloat16  "emulated: …" on CPUs that have no bfloat16 instructions
///   int8      "codes a bit narrower …" where 8 bits would saturate
std::string compute_type_note(ComputeType type);

/// The instruction set that GEMMs run on, e.g. "AVX2" or "AVX-512 with VNNI and bfloat16".
std::string compute_isa();

/// True where GEMMs of this type run on instructions made for them.
bool is_native(ComputeType type);

/// Whether layers of this type can read and write bfloat16 activations on this CPU, which halves the memory traffic
/// between layers: bfloat16, and int8 with VNNI, where the CPU has AVX512-BF16.
bool supports_bf16_activations(ComputeType type);

/// What attention's kernel is chosen by.
enum class CpuKind {
  other,              ///< up to AVX2, with AVX-VNNI or without, and what is not x86-64
  avx512,             ///< no products of bfloat16, or no VBMI
  avx512_bf16,        ///< AMD's, from Zen 4 on, and all that are not Intel's
  intel_avx512_bf16,  ///< Intel's without tiles: its own lack, the operating system's refusal, or ONEDNN_MAX_CPU_ISA
  amx,
};

/// The kind of a CPU with these features, of which `isa` may be used.
CpuKind cpu_kind(const onednn::EffectiveIsa& isa, const CpuFeatures& features);

/// The kernel of attention that may round to bfloat16.
enum class Bfloat16Attention {
  float32,      ///< it rounds nothing
  avx512_bf16,  ///< simd/bfloat16_attention.h
  amx,          ///< simd/tile_attention.h
};

/// The fastest for a kind of CPU, by measure: the table is in compute_isa.cc.
Bfloat16Attention bfloat16_attention(CpuKind kind);
/// On this CPU.
Bfloat16Attention bfloat16_attention();

/// Whether this CPU, as far as ONEDNN_MAX_CPU_ISA lets it, executes that kernel at all.
bool cpu_supports(Bfloat16Attention kernel);

/// Whether attention is computed in bfloat16 for heads of that width: bfloat16_attention() is such a kernel, and the
/// width is even.
bool supports_bf16_attention(std::int64_t head_dim);

/// Whether oneDNN multiplies bfloat16 on instructions made for it (AVX512-BF16, AMX or AVX-VNNI-2).
bool has_bf16_matmul();

/// Quantized values of which every product and sum is exact. Without VNNI the CPU adds neighbouring products, of inputs
/// 2i and 2i + 1, in 16 bits that saturate; the range that this costs is shared between inputs and weights.
struct Int8Range {
  std::int32_t input_max = 255;    ///< inputs are 0 … input_max
  std::int32_t weight_qmax = 127;  ///< weights are −weight_qmax … weight_qmax
  std::int32_t pair_max = 254;     ///< max |w₂ᵢ + w₂ᵢ₊₁|
};
Int8Range int8_range();

/// Instructions of the int8 GEMM of simd/int8_gemm.h.
enum class Int8Isa {
  none,         ///< int8 is left to oneDNN, which has a GEMM for AMX too
  avx2,         ///< within Int8Range{180, 105, 182}, of which no sum saturates
  avx512_vnni,  ///< any values
};

/// The one to use on this CPU.
Int8Isa int8_isa();
/// Whether the CPU can execute it at all.
bool cpu_supports(Int8Isa isa);

}  // namespace treble::internal
