// Float32 attention, dispatched by instruction set at run time (Highway).
#include "kernels/simd/attention_head.h"
#include "kernels/simd/choose_target.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/simd/attention.cc"
#include <hwy/foreach_target.h>
// Highway wants to come after foreach_target.h.
#include <hwy/highway.h>

#include "kernels/simd/attention-inl.h"

#if HWY_ONCE
namespace treble::internal::simd {

HWY_EXPORT(AttendHead);

AttendHeadFunction attend_head_float32() {
  choose_target();
  return &HWY_DYNAMIC_DISPATCH(AttendHead);
}

}  // namespace treble::internal::simd
#endif  // HWY_ONCE
