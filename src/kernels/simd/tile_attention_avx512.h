// For tests: attention in plain tiles with vectors of AVX-512, apart from the test because it is compiled for those.
#pragma once

#include "kernels/simd/attention_head.h"

namespace treble::internal::test {

/// Where cpu_supports(Bfloat16Attention::avx512_bf16). T: float or the bits of bfloat16.
template <typename T>
simd::HeadKernel<T> tile_attention_on_avx512();

}  // namespace treble::internal::test
