// Minimum and maximum that let NaN through; for files compiled once for each instruction set (Highway), hence the
// guard that is toggled with the target.
#if defined(TREBLE_SIMD_BOUNDS_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef TREBLE_SIMD_BOUNDS_INL_H_
#undef TREBLE_SIMD_BOUNDS_INL_H_
#else
#define TREBLE_SIMD_BOUNDS_INL_H_
#endif

#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace treble::internal::simd {
namespace HWY_NAMESPACE {

/// max(x, min_value); NaN stays NaN (where one of two numbers is NaN, x86 takes the second, Arm the NaN,
/// and Highway's emulation the other one).
template <class V>
HWY_INLINE V ClampMin(V min_value, V x) {
  namespace hn = hwy::HWY_NAMESPACE;
#if HWY_TARGET == HWY_EMU128 || HWY_TARGET == HWY_SCALAR
  return hn::IfThenElse(hn::Lt(x, min_value), min_value, x);
#else
  return hn::Max(min_value, x);
#endif
}

/// min(x, max_value); likewise.
template <class V>
HWY_INLINE V ClampMax(V max_value, V x) {
  namespace hn = hwy::HWY_NAMESPACE;
#if HWY_TARGET == HWY_EMU128 || HWY_TARGET == HWY_SCALAR
  return hn::IfThenElse(hn::Lt(max_value, x), max_value, x);
#else
  return hn::Min(max_value, x);
#endif
}

}  // namespace HWY_NAMESPACE
}  // namespace treble::internal::simd
HWY_AFTER_NAMESPACE();

#endif
