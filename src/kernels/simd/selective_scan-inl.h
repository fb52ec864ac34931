// A chunk of the selective scan: by matrix products, or step after step.
// Compiled once for each instruction set (Highway), hence the guard that is toggled with the target.
#if defined(TREBLE_SIMD_SELECTIVE_SCAN_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef TREBLE_SIMD_SELECTIVE_SCAN_INL_H_
#undef TREBLE_SIMD_SELECTIVE_SCAN_INL_H_
#else
#define TREBLE_SIMD_SELECTIVE_SCAN_INL_H_
#endif

#include <hwy/highway.h>

#include <cstddef>

#include "kernels/simd/scan_products-inl.h"
#include "kernels/simd/scan_steps-inl.h"

HWY_BEFORE_NAMESPACE();
namespace treble::internal::simd {
namespace HWY_NAMESPACE {
namespace {

/// Shorter chunks are stepped through, single tokens above all, where there is a state before them: products read it as
/// often for one token as for a tile of them.
constexpr std::size_t kMinProductTokens = 4;

void ScanHeads(const ScanChunk& chunk) {
  std::int64_t prepared_group = -1;
  for (std::int64_t index = chunk.heads.begin; index < chunk.heads.end; ++index) {
    const ScanHead head(chunk, index);
    if (head.is_limited() || (chunk.length < kMinProductTokens && !chunk.from_zero)) {
      StepHead(head);
      continue;
    }
    if (head.group != prepared_group) PrepareGroup(head);
    prepared_group = head.group;
    MultiplyHead(head);
  }
}

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace treble::internal::simd
HWY_AFTER_NAMESPACE();

#endif
