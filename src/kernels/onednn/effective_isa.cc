#include "kernels/onednn/effective_isa.h"

#include <oneapi/dnnl/dnnl.hpp>

namespace treble::internal::onednn {

namespace {

EffectiveIsa detect() {
  const dnnl::cpu_isa effective = dnnl::get_effective_cpu_isa();
  // dnnl_cpu_isa_t is a bit set: one includes another when it has all its bits.
  const auto includes = [effective](dnnl::cpu_isa isa) {
    const auto bits = static_cast<unsigned>(isa);
    return (static_cast<unsigned>(effective) & bits) == bits;
  };
  EffectiveIsa isa;
  isa.avx512 = includes(dnnl::cpu_isa::avx512_core);
  isa.avx512_bf16 = includes(dnnl::cpu_isa::avx512_core_bf16);
  isa.bf16 = isa.avx512_bf16 || includes(dnnl::cpu_isa::avx2_vnni_2);
  isa.avx512_vnni = includes(dnnl::cpu_isa::avx512_core_vnni);
  isa.vnni = isa.avx512_vnni || includes(dnnl::cpu_isa::avx2_vnni);
  isa.amx = includes(dnnl::cpu_isa::avx512_core_amx);
  isa.avx2_only = effective == dnnl::cpu_isa::avx2;
  return isa;
}

}  // namespace

const EffectiveIsa& effective_isa() {
  static const EffectiveIsa isa = detect();
  return isa;
}

std::string_view effective_isa_name() {
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

}  // namespace treble::internal::onednn
