// Attention of one head in AMX's tiles, with GEMMs in bfloat16 (tile_attention-inl.h).
#pragma once

#include "kernels/simd/attention_head.h"

namespace treble::internal::simd {

/// As attend_head_bfloat16, for even widths of heads; where cpu_features().amx. T: float or the bits of bfloat16. A
/// thread's tiles are configured between `begin` and `end`, and no other code of that thread may use tiles meanwhile.
template <typename T>
HeadKernel<T> tile_attention();

}  // namespace treble::internal::simd
