// The Walsh–Hadamard transform; for files compiled once for each instruction set (Highway), hence the guard that is
// toggled with the target.
#if defined(TREBLE_SIMD_HADAMARD_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef TREBLE_SIMD_HADAMARD_INL_H_
#undef TREBLE_SIMD_HADAMARD_INL_H_
#else
#define TREBLE_SIMD_HADAMARD_INL_H_
#endif

#include <algorithm>
#include <cstddef>

#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace treble::internal::simd {
namespace HWY_NAMESPACE {
namespace {

namespace hn = hwy::HWY_NAMESPACE;
using D = hn::ScalableTag<float>;
using V = hn::Vec<D>;

/// Sums and differences of numbers `half` apart.
HWY_INLINE void Butterfly(std::size_t half, float* HWY_RESTRICT low, float* HWY_RESTRICT high) {
  for (std::size_t i = 0; i < half; ++i) {
    const float a = low[i];
    const float b = high[i];
    low[i] = a + b;
    high[i] = a - b;
  }
}

#if HWY_TARGET != HWY_SCALAR  // which has no vectors of four
/// Sums and differences of two vectors. The difference is a multiply-add, so that the CPU's ports for additions and for
/// multiplications both have work.
HWY_INLINE void ButterflyVectors(V& a, V& b) {
  const V sum = hn::Add(a, b);
  b = hn::NegMulAdd(b, hn::Set(D(), 1.0F), a);
  a = sum;
}

/// Two steps: neighbours, then every other one.
HWY_INLINE void ButterflyFour(V& a, V& b, V& c, V& e) {
  ButterflyVectors(a, b);
  ButterflyVectors(c, e);
  ButterflyVectors(a, c);
  ButterflyVectors(b, e);
}

/// The steps within a vector: 1, 2, 4 … apart.
HWY_INLINE V RotateVector(V v) {
  const D d;
  HWY_ALIGN constexpr float kOdd[16] = {1, -1, 1, -1, 1, -1, 1, -1, 1, -1, 1, -1, 1, -1, 1, -1};
  HWY_ALIGN constexpr float kUpper[16] = {1, 1, -1, -1, 1, 1, -1, -1, 1, 1, -1, -1, 1, 1, -1, -1};
  v = hn::MulAdd(v, hn::Load(d, kOdd), hn::Shuffle2301(v));
  v = hn::MulAdd(v, hn::Load(d, kUpper), hn::Shuffle1032(v));
#if HWY_MAX_BYTES >= 32
  HWY_ALIGN constexpr float kHigh[16] = {1, 1, 1, 1, -1, -1, -1, -1, 1, 1, 1, 1, -1, -1, -1, -1};
  v = hn::MulAdd(v, hn::Load(d, kHigh), hn::SwapAdjacentBlocks(v));
#endif
#if HWY_MAX_BYTES >= 64
  HWY_ALIGN constexpr float kHalves[16] = {1, 1, 1, 1, 1, 1, 1, 1, -1, -1, -1, -1, -1, -1, -1, -1};
  v = hn::MulAdd(v, hn::Load(d, kHalves), hn::ConcatLowerUpper(d, v, v));
#endif
  return v;
}

/// All steps within the width of kVectors vectors, in registers.
template <std::size_t kVectors>
HWY_INLINE void RotateVectors(const float* from, float* x) {
  const D d;
  const std::size_t lanes = hn::Lanes(d);
  V v[kVectors];
  HWY_UNROLL(8)
  for (std::size_t i = 0; i < kVectors; ++i) v[i] = RotateVector(hn::LoadU(d, from + i * lanes));
  HWY_UNROLL(2)
  for (std::size_t i = 0; i < kVectors; i += 4) ButterflyFour(v[i], v[i + 1], v[i + 2], v[i + 3]);
  HWY_UNROLL(4)
  for (std::size_t i = 0; i + 4 < kVectors; ++i) ButterflyVectors(v[i], v[i + 4]);
  HWY_UNROLL(8)
  for (std::size_t i = 0; i < kVectors; ++i) hn::StoreU(v[i], d, x + i * lanes);
}

/// Two steps in one pass over memory: numbers `half` apart, then twice that.
HWY_INLINE void TwoSteps(std::size_t half, float* x) {
  const D d;
  for (std::size_t i = 0; i < half; i += hn::Lanes(d)) {
    V a = hn::LoadU(d, x + i);
    V b = hn::LoadU(d, x + half + i);
    V c = hn::LoadU(d, x + 2 * half + i);
    V e = hn::LoadU(d, x + 3 * half + i);
    ButterflyFour(a, b, c, e);
    hn::StoreU(a, d, x + i);
    hn::StoreU(b, d, x + half + i);
    hn::StoreU(c, d, x + 2 * half + i);
    hn::StoreU(e, d, x + 3 * half + i);
  }
}
#endif

#if HWY_TARGET != HWY_SCALAR
/// The steps within kVectors vectors of all blocks, where blocks are as large; returns the distance of the next step.
template <std::size_t kVectors>
std::size_t RotateInRegisters(std::size_t block, const float* from, float* x, std::size_t count) {
  const std::size_t width = kVectors * hn::Lanes(D());
  if (block < width) return 1;
  for (std::size_t i = 0; i < count; i += width) RotateVectors<kVectors>(from + i, x + i);
  return width;
}
#endif

void HadamardTransform(std::size_t block, const float* from, float* x, std::size_t count) {
  std::size_t half = 1;
#if HWY_TARGET != HWY_SCALAR
#if HWY_MAX_BYTES >= 64  // which come with 32 registers
  half = RotateInRegisters<8>(block, from, x, count);
#endif
  if (half == 1) half = RotateInRegisters<4>(block, from, x, count);
  for (; half > 1 && 2 * half < block; half *= 4) {
    for (std::size_t first = 0; first < count; first += 4 * half) TwoSteps(half, x + first);
  }
#endif
  if (half == 1 && from != x) std::copy_n(from, count, x);
  for (; half < block; half *= 2) {
    for (std::size_t first = 0; first < count; first += 2 * half) Butterfly(half, x + first, x + first + half);
  }
}

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace treble::internal::simd
HWY_AFTER_NAMESPACE();

#endif
