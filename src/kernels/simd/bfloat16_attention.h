// Attention of one head with products in bfloat16, for CPUs that have them (AVX512-BF16, and VBMI for the softmax).
#pragma once

#include <cstddef>

#include "kernels/simd/attention_head.h"

namespace treble::internal::simd {

/// Floats of scratch that a head needs: O(length).
std::size_t bfloat16_scratch_floats(std::size_t length, std::size_t head_dim);

/// As the float32 kernel in attention.cc, with queries, keys, values and weights rounded to bfloat16, sums in float32.
void attend_head_bfloat16(const HeadTask& task);
void attend_head_bfloat16(const Bfloat16HeadTask& task);

}  // namespace treble::internal::simd
