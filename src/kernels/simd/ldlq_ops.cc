// Second moments and LDLQ rounding, dispatched by instruction set at run time (Highway).
#include "kernels/ldlq_ops.h"

#include "kernels/simd/choose_target.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/simd/ldlq_ops.cc"
#include <hwy/foreach_target.h>
// Highway wants to come after foreach_target.h.
#include <hwy/highway.h>

#include "kernels/simd/ldlq_ops-inl.h"

#if HWY_ONCE
namespace treble::internal {

namespace simd {
HWY_EXPORT(AddMoments);
HWY_EXPORT(LdlqRound);

// The tables of functions can only be named from the namespace that exports them.
auto add_moments() {
  choose_target();
  return &HWY_DYNAMIC_DISPATCH(AddMoments);
}

auto ldlq_round() {
  choose_target();
  return &HWY_DYNAMIC_DISPATCH(LdlqRound);
}
}  // namespace simd

void add_moments(ConstMatrixView x, ConstMatrixView scaled, MatrixView moments) {
  simd::add_moments()(x.data, scaled.data, static_cast<std::size_t>(x.stride), static_cast<std::size_t>(x.rows),
                      static_cast<std::size_t>(x.cols), moments.data, static_cast<std::size_t>(moments.stride));
}

void ldlq_round(ConstMatrixView feedback, std::int32_t qmax, LdlqTile& tile) {
  simd::ldlq_round()(feedback.data, static_cast<std::size_t>(feedback.stride), static_cast<std::size_t>(feedback.rows),
                     static_cast<float>(qmax), tile);
}

}  // namespace treble::internal
#endif  // HWY_ONCE
