// The matrix product within the selective scan: a tile of sums in registers.
// Compiled once for each instruction set (Highway), hence the guard that is toggled with the target.
#if defined(TREBLE_SIMD_SCAN_TILE_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef TREBLE_SIMD_SCAN_TILE_INL_H_
#undef TREBLE_SIMD_SCAN_TILE_INL_H_
#else
#define TREBLE_SIMD_SCAN_TILE_INL_H_
#endif

#include <hwy/highway.h>

#include <algorithm>
#include <cstddef>
#include <type_traits>

#include "kernels/simd/scan_chunk.h"

HWY_BEFORE_NAMESPACE();
namespace treble::internal::simd {
namespace HWY_NAMESPACE {
namespace {

namespace hn = hwy::HWY_NAMESPACE;
using D = hn::ScalableTag<float>;
using V = hn::Vec<D>;

/// Rows of a tile, each of one or two vectors: 16 sums of 32 registers, or 8 of 16 (GCC 12 spills some of 12).
constexpr std::size_t kTile = HWY_MAX_BYTES >= 64 ? 8 : 4;
static_assert(kScanRows % kTile == 0 && kMaxScanChunk % kScanRows == 0 && kMaxScanChunk % kScanLanes == 0);

template <std::size_t kVectors>
using Tile = V[kTile][kVectors];

/// A [rows, depth], whose numbers are broadcast, and B [depth, columns], rows of vectors.
struct Factors {
  const float* a;
  std::size_t a_row;    ///< from a row of A to the next
  std::size_t a_depth;  ///< from a column of A to the next
  const float* b;       ///< of any alignment: states lie where the caller has them
  std::size_t b_depth;  ///< from a row of B to the next
};

/// f(sum[r][v], r, v) for each sum of a tile, in registers.
template <std::size_t kVectors, typename F>
HWY_INLINE void ForEachSum(Tile<kVectors>& sum, const F& f) {
  HWY_UNROLL(8)
  for (std::size_t r = 0; r < kTile; ++r) {
    HWY_UNROLL(2)
    for (std::size_t v = 0; v < kVectors; ++v) f(sum[r][v], r, v);
  }
}

/// sum += A B over `depth`.
template <std::size_t kVectors>
HWY_INLINE void AddProducts(const Factors& factors, std::size_t depth, Tile<kVectors>& sum) {
  const D d;
  const std::size_t lanes = hn::Lanes(d);
  const float* HWY_RESTRICT a = factors.a;
  const float* HWY_RESTRICT b = factors.b;
  for (std::size_t k = 0; k < depth; ++k, a += factors.a_depth, b += factors.b_depth) {
    V columns[kVectors];
    HWY_UNROLL(2)
    for (std::size_t v = 0; v < kVectors; ++v) columns[v] = hn::LoadU(d, b + v * lanes);
    HWY_UNROLL(8)
    for (std::size_t r = 0; r < kTile; ++r) {
      const V row = hn::Set(d, a[r * factors.a_row]);
      HWY_UNROLL(2)
      for (std::size_t v = 0; v < kVectors; ++v) sum[r][v] = hn::MulAdd(row, columns[v], sum[r][v]);
    }
  }
}

/// f of the number of vectors, as a constant, for each one or two vectors of `columns` numbers from `first` on.
template <typename F>
HWY_INLINE void ForEachColumns(std::size_t first, std::size_t columns, const F& f) {
  const std::size_t lanes = hn::Lanes(D());
  for (std::size_t column = first; column < columns; column += 2 * lanes) {
    if (columns - column > lanes) {
      f(std::integral_constant<std::size_t, 2>(), column);
    } else {
      f(std::integral_constant<std::size_t, 1>(), column);
    }
  }
}

/// to = factor · from (may be the same), of which `count` numbers are there; zeros behind them to the end of the widest
/// vector.
HWY_INLINE void InsertRow(const float* from, std::size_t count, float factor, float* to) {
  const D d;
  const std::size_t lanes = hn::Lanes(d);
  const V factors = hn::Set(d, factor);
  std::size_t c = 0;
  for (; c + lanes <= count; c += lanes) hn::Store(hn::Mul(factors, hn::LoadU(d, from + c)), d, to + c);
  for (; c < count; ++c) to[c] = factor * from[c];
  for (; c < round_up(count, kScanLanes); ++c) to[c] = 0.0F;
}

/// The first `count` of a vector's numbers, where there are no more; zeros behind them.
HWY_INLINE V LoadColumns(const float* from, std::size_t count) {
  const D d;
  if (count >= hn::Lanes(d)) return hn::LoadU(d, from);
  HWY_ALIGN float values[hn::MaxLanes(D())] = {};
  std::copy_n(from, count, values);
  return hn::Load(d, values);
}

HWY_INLINE void StoreColumns(V values, float* to, std::size_t count) {
  const D d;
  if (count >= hn::Lanes(d)) return hn::StoreU(values, d, to);
  HWY_ALIGN float stored[hn::MaxLanes(D())];
  hn::Store(values, d, stored);
  std::copy_n(stored, count, to);
}

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace treble::internal::simd
HWY_AFTER_NAMESPACE();

#endif
