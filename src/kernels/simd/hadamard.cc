// The Walsh–Hadamard transform, dispatched by instruction set at run time (Highway).
#include "kernels/hadamard.h"

#include <iterator>

#include "kernels/bfloat16_ops.h"
#include "kernels/simd/choose_target.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/simd/hadamard.cc"
#include <hwy/foreach_target.h>
// Highway wants to come after foreach_target.h.
#include <hwy/highway.h>

#include "kernels/simd/hadamard-inl.h"

#if HWY_ONCE
namespace treble::internal {

namespace simd {
HWY_EXPORT(HadamardTransform);

// The tables of functions can only be named from the namespace that exports them.
auto hadamard_transform() {
  choose_target();
  return &HWY_DYNAMIC_DISPATCH(HadamardTransform);
}
}  // namespace simd

void hadamard_transform(std::int64_t block, std::span<const float> x, std::span<float> rotated) {
  simd::hadamard_transform()(static_cast<std::size_t>(block), x.data(), rotated.data(), x.size());
}

void hadamard_rotate(std::span<const float> x, std::span<float> rotated) {
  hadamard_transform(hadamard_block(std::ssize(x)), x, rotated);
}

void hadamard_rotate(std::span<const std::uint16_t> x, std::span<float> rotated) {
  from_bfloat16(x, rotated);
  hadamard_rotate(rotated, rotated);
}

}  // namespace treble::internal
#endif  // HWY_ONCE
