// The logistic function.
// Compiled once for each instruction set (Highway), hence the guard that is toggled with the target.
#if defined(TREBLE_SIMD_SIGMOID_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef TREBLE_SIMD_SIGMOID_INL_H_
#undef TREBLE_SIMD_SIGMOID_INL_H_
#else
#define TREBLE_SIMD_SIGMOID_INL_H_
#endif

#include <hwy/contrib/math/math-inl.h>
#include <hwy/highway.h>

#include "kernels/simd/bounds-inl.h"

HWY_BEFORE_NAMESPACE();
namespace treble::internal::simd {
namespace HWY_NAMESPACE {
namespace {

namespace hn = hwy::HWY_NAMESPACE;
using D = hn::ScalableTag<float>;
using V = hn::Vec<D>;

/// 1 / (1 + e^−x); e^−x overflows to infinity harmlessly.
HWY_INLINE V Sigmoid(D d, V x) {
  const V one = hn::Set(d, 1.0F);
  const V lowest = hn::Set(d, -88.0F);
  return hn::Div(one, hn::Add(one, hn::Exp(d, hn::Neg(ClampMin(lowest, x)))));
}

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace treble::internal::simd
HWY_AFTER_NAMESPACE();

#endif
