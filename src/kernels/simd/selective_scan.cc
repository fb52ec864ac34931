// The selective scan, dispatched by instruction set at run time (Highway).
#include "kernels/simd/choose_target.h"
#include "kernels/simd/scan_chunk.h"
#include "kernels/simd/scan_head.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/simd/selective_scan.cc"
#include <hwy/foreach_target.h>
// Highway wants to come after foreach_target.h.
#include <hwy/highway.h>

#include "kernels/simd/selective_scan-inl.h"

#if HWY_ONCE
namespace treble::internal::simd {

HWY_EXPORT(ScanHeads);

ScanChunkFunction scan_chunk() {
  choose_target();
  return &HWY_DYNAMIC_DISPATCH(ScanHeads);
}

}  // namespace treble::internal::simd
#endif  // HWY_ONCE
