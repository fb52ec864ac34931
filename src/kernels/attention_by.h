// Attention by a kernel that is named, for tests and benchmarks; all else calls `attention`, which chooses.
#pragma once

#include "kernels/attention.h"
#include "kernels/simd/attention_head.h"

namespace treble::internal {

/// As `attention`. T: float or the bits of bfloat16; the kernel takes such heads and this CPU runs it.
template <typename T>
void attention_by(const simd::HeadKernel<T>& kernel, const Execution& execution, const BasicAttentionInputs<T>& inputs,
                  BasicMatrixView<T> out);

}  // namespace treble::internal
