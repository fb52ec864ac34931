// Small transpositions.
// Compiled once for each instruction set (Highway), hence the guard that is toggled with the target.
#if defined(TREBLE_SIMD_TRANSPOSE_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef TREBLE_SIMD_TRANSPOSE_INL_H_
#undef TREBLE_SIMD_TRANSPOSE_INL_H_
#else
#define TREBLE_SIMD_TRANSPOSE_INL_H_
#endif

#include <hwy/highway.h>

#include <cstddef>

HWY_BEFORE_NAMESPACE();
namespace treble::internal::simd {
namespace HWY_NAMESPACE {
namespace {

namespace hn = hwy::HWY_NAMESPACE;

/// Four columns of four rows, transposed: to[c · to_stride + row] = from[row · stride + c].
HWY_INLINE void TransposeFour(const float* from, std::size_t stride, float* to, std::size_t to_stride) {
#if HWY_TARGET == HWY_SCALAR  // which has no vectors of four
  for (std::size_t row = 0; row < 4; ++row) {
    for (std::size_t c = 0; c < 4; ++c) to[c * to_stride + row] = from[row * stride + c];
  }
#else
  const hn::FixedTag<float, 4> d;
  const hn::Repartition<double, decltype(d)> pairs;
  const auto row0 = hn::LoadU(d, from);
  const auto row1 = hn::LoadU(d, from + stride);
  const auto row2 = hn::LoadU(d, from + 2 * stride);
  const auto row3 = hn::LoadU(d, from + 3 * stride);
  const auto low01 = hn::BitCast(pairs, hn::InterleaveLower(d, row0, row1));
  const auto low23 = hn::BitCast(pairs, hn::InterleaveLower(d, row2, row3));
  const auto high01 = hn::BitCast(pairs, hn::InterleaveUpper(d, row0, row1));
  const auto high23 = hn::BitCast(pairs, hn::InterleaveUpper(d, row2, row3));
  hn::StoreU(hn::BitCast(d, hn::InterleaveLower(pairs, low01, low23)), d, to);
  hn::StoreU(hn::BitCast(d, hn::InterleaveUpper(pairs, low01, low23)), d, to + to_stride);
  hn::StoreU(hn::BitCast(d, hn::InterleaveLower(pairs, high01, high23)), d, to + 2 * to_stride);
  hn::StoreU(hn::BitCast(d, hn::InterleaveUpper(pairs, high01, high23)), d, to + 3 * to_stride);
#endif
}

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace treble::internal::simd
HWY_AFTER_NAMESPACE();

#endif
