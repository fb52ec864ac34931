// The exponential of numbers that are not positive.
// Compiled once for each instruction set (Highway), hence the guard that is toggled with the target.
#if defined(TREBLE_SIMD_EXP_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef TREBLE_SIMD_EXP_INL_H_
#undef TREBLE_SIMD_EXP_INL_H_
#else
#define TREBLE_SIMD_EXP_INL_H_
#endif

#include <hwy/highway.h>

#include <numbers>

#include "kernels/simd/bounds-inl.h"

HWY_BEFORE_NAMESPACE();
namespace treble::internal::simd {
namespace HWY_NAMESPACE {
namespace {

namespace hn = hwy::HWY_NAMESPACE;
using D = hn::ScalableTag<float>;
using V = hn::Vec<D>;

constexpr float kLog2E = std::numbers::log2e_v<float>;

/// e^x for x ≤ 0, as 2^(x·log₂e): what the product rounds off matters only where e^x is small, so the argument needs no
/// reduction in two parts. Below 2⁻¹²⁵ it is 2⁻¹²⁵; NaN stays NaN. The polynomial is the minimax approximation of 2^r
/// of degree 6 on [−½, ½], relative error 2e-9; degree 5 moves a text that mpnet-base is sensitive to by 5e-6 rather
/// than 3e-6. The exponent comes by a multiplication, as adding it to the bits makes a number of NaN.
HWY_INLINE V ExpOfNegative(V x) {
  const D d;
  const hn::RebindToSigned<D> bits;
  const V log2e = hn::Set(d, kLog2E);
  const V bounded = ClampMin(hn::Set(d, -125.0F / kLog2E), x);
  // So large a number has no room for a fraction: its last bits are the whole number that is nearest.
  const V magic = hn::Set(d, 12582912.0F);
  const V shifted = hn::MulAdd(bounded, log2e, magic);
  const V r = hn::MulSub(bounded, log2e, hn::Sub(shifted, magic));
  V power = hn::Set(d, 1.53458116e-4F);
  power = hn::MulAdd(power, r, hn::Set(d, 1.33999312e-3F));
  power = hn::MulAdd(power, r, hn::Set(d, 9.61848896e-3F));
  power = hn::MulAdd(power, r, hn::Set(d, 5.55032878e-2F));
  power = hn::MulAdd(power, r, hn::Set(d, 0.240226469F));
  power = hn::MulAdd(power, r, hn::Set(d, 0.693147206F));
  power = hn::MulAdd(power, r, hn::Set(d, 1.0F));
  const auto exponent = hn::ShiftLeft<23>(hn::BitCast(bits, shifted));
  return hn::Mul(power, hn::BitCast(d, hn::Add(exponent, hn::BitCast(bits, hn::Set(d, 1.0F)))));
}

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace treble::internal::simd
HWY_AFTER_NAMESPACE();

#endif
