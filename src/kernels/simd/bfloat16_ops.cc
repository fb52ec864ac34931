// Conversions between float32 and bfloat16, dispatched by instruction set at run time (Highway).
#include "kernels/bfloat16_ops.h"

#include "kernels/simd/choose_target.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/simd/bfloat16_ops.cc"
#include <hwy/foreach_target.h>
// Highway wants to come after foreach_target.h.
#include <hwy/highway.h>

#include "kernels/simd/bfloat16_ops-inl.h"

#if HWY_ONCE
namespace treble::internal {

namespace simd {
HWY_EXPORT(ToBfloat16);
HWY_EXPORT(FromBfloat16);
HWY_EXPORT(RoundToBfloat16);

// The tables of functions can only be named from the namespace that exports them.
auto to_bfloat16() {
  choose_target();
  return &HWY_DYNAMIC_DISPATCH(ToBfloat16);
}

auto from_bfloat16() {
  choose_target();
  return &HWY_DYNAMIC_DISPATCH(FromBfloat16);
}

auto round_to_bfloat16() {
  choose_target();
  return &HWY_DYNAMIC_DISPATCH(RoundToBfloat16);
}
}  // namespace simd

void to_bfloat16(std::span<const float> x, std::span<std::uint16_t> y) {
  simd::to_bfloat16()(x.data(), x.size(), y.data());
}

void from_bfloat16(std::span<const std::uint16_t> x, std::span<float> y) {
  simd::from_bfloat16()(x.data(), x.size(), y.data());
}

void round_to_bfloat16(std::span<const float> x, std::span<float> y) {
  simd::round_to_bfloat16()(x.data(), x.size(), y.data());
}

}  // namespace treble::internal
#endif  // HWY_ONCE
