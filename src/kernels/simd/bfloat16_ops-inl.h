// Conversions between float32 and bfloat16: plain loops of one step an element, which the compiler vectorises for
// each instruction set; for files compiled once for each instruction set (Highway), hence the guard that is toggled
// with the target.
#if defined(TREBLE_SIMD_BFLOAT16_OPS_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef TREBLE_SIMD_BFLOAT16_OPS_INL_H_
#undef TREBLE_SIMD_BFLOAT16_OPS_INL_H_
#else
#define TREBLE_SIMD_BFLOAT16_OPS_INL_H_
#endif

#include <bit>
#include <cstddef>
#include <cstdint>

#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace treble::internal::simd {
namespace HWY_NAMESPACE {
namespace {

/// The upper half of a float's bits, rounded to nearest even. NaN must not round to infinity.
HWY_INLINE std::uint32_t RoundedBits(std::uint32_t bits) {
  const std::uint32_t rounded = bits + 0x7FFFU + ((bits >> 16) & 1U);
  const bool is_nan = (bits & 0x7FFFFFFFU) > 0x7F800000U;
  return (is_nan ? bits | 0x00400000U : rounded) & 0xFFFF0000U;
}

void ToBfloat16(const float* HWY_RESTRICT x, std::size_t count, std::uint16_t* HWY_RESTRICT y) {
  for (std::size_t i = 0; i < count; ++i) {
    y[i] = static_cast<std::uint16_t>(RoundedBits(std::bit_cast<std::uint32_t>(x[i])) >> 16);
  }
}

void FromBfloat16(const std::uint16_t* HWY_RESTRICT x, std::size_t count, float* HWY_RESTRICT y) {
  for (std::size_t i = 0; i < count; ++i) y[i] = std::bit_cast<float>(std::uint32_t{x[i]} << 16);
}

void RoundToBfloat16(const float* HWY_RESTRICT x, std::size_t count, float* HWY_RESTRICT y) {
  for (std::size_t i = 0; i < count; ++i) y[i] = std::bit_cast<float>(RoundedBits(std::bit_cast<std::uint32_t>(x[i])));
}

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace treble::internal::simd
HWY_AFTER_NAMESPACE();

#endif
