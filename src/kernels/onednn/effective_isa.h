// The instruction set that oneDNN's kernels use: the CPU's, capped by ONEDNN_MAX_CPU_ISA.
#pragma once

#include <string_view>

namespace treble::internal::onednn {

/// Treble's own kernels keep to it too, so that the cap holds for all of them.
struct EffectiveIsa {
  bool bf16 = false;  ///< bfloat16 GEMMs: AVX512-BF16, AMX or AVX-VNNI-2
  bool avx512 = false;
  bool avx512_bf16 = false;
  bool vnni = false;  ///< of AVX-512 or AVX2
  bool avx512_vnni = false;
  bool amx = false;
  bool avx2_only = false;  ///< AVX2 and nothing above it
};

const EffectiveIsa& effective_isa();

/// For people: "AVX2", "AVX-512 with VNNI and bfloat16", …
std::string_view effective_isa_name();

}  // namespace treble::internal::onednn
