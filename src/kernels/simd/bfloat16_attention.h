// Attention of one head with GEMMs in bfloat16, for CPUs that have them (AVX512-BF16, and VBMI for the softmax).
#pragma once

#include "kernels/simd/attention_head.h"

namespace treble::internal::simd {

/// As the float32 kernel of attention-inl.h, with queries, keys, values and weights rounded to bfloat16, sums in
/// float32.
void attend_head_bfloat16(const HeadTask& task);
void attend_head_bfloat16(const Bfloat16HeadTask& task);

}  // namespace treble::internal::simd
