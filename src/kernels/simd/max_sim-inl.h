// The greatest product of each of a block of queries with the rows of a document.
//
// Products lie transposed, [row][query], so that maxima are vectors of queries and nothing is summed across a vector.
// Compiled once for each instruction set (Highway), hence the guard that is toggled with the target.
#if defined(TREBLE_SIMD_MAX_SIM_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef TREBLE_SIMD_MAX_SIM_INL_H_
#undef TREBLE_SIMD_MAX_SIM_INL_H_
#else
#define TREBLE_SIMD_MAX_SIM_INL_H_
#endif

#include <hwy/highway.h>

#include <algorithm>
#include <cstddef>
#include <limits>

#include "kernels/simd/max_sim_block.h"

HWY_BEFORE_NAMESPACE();
namespace treble::internal::simd {
namespace HWY_NAMESPACE {
namespace {

namespace hn = hwy::HWY_NAMESPACE;
using D = hn::ScalableTag<float>;
using V = hn::Vec<D>;

/// Rows of a tile, each times up to two vectors of queries: as in attention, 16 sums of 32 registers, or 8 of 16.
constexpr std::size_t kMaxSimTile = HWY_MAX_BYTES >= 64 ? 8 : 4;

/// The greater; NaN where either is one, on every instruction set.
HWY_INLINE V MaxOrNaN(V running, V x) { return hn::IfThenElse(hn::Or(hn::Gt(x, running), hn::IsNaN(x)), x, running); }

/// Maxima of kVectors vectors of queries from `query` over kRows rows from `row`.
template <std::size_t kRows, std::size_t kVectors>
HWY_INLINE void MaxTile(const MaxSimBlock& block, std::size_t row, std::size_t query) {
  const D d;
  const std::size_t lanes = hn::Lanes(d);
  V sum[kRows][kVectors];
  HWY_UNROLL(8)
  for (std::size_t r = 0; r < kRows; ++r) {
    HWY_UNROLL(2)
    for (std::size_t v = 0; v < kVectors; ++v) sum[r][v] = hn::Zero(d);
  }
  const float* HWY_RESTRICT rows = block.rows + row * block.stride;
  const float* HWY_RESTRICT queries = block.queries + query;
  const std::size_t stride = block.stride;
  for (std::size_t c = 0; c < block.dim; ++c, queries += kMaxSimQueries) {
    V one[kVectors];
    HWY_UNROLL(2)
    for (std::size_t v = 0; v < kVectors; ++v) one[v] = hn::Load(d, queries + v * lanes);
    HWY_UNROLL(8)
    for (std::size_t r = 0; r < kRows; ++r) {
      const V value = hn::Set(d, rows[r * stride + c]);
      HWY_UNROLL(2)
      for (std::size_t v = 0; v < kVectors; ++v) sum[r][v] = hn::MulAdd(value, one[v], sum[r][v]);
    }
  }
  HWY_UNROLL(2)
  for (std::size_t v = 0; v < kVectors; ++v) {
    float* maxima = block.maxima + query + v * lanes;
    V running = hn::Load(d, maxima);
    HWY_UNROLL(8)
    for (std::size_t r = 0; r < kRows; ++r) running = MaxOrNaN(running, sum[r][v]);
    hn::Store(running, d, maxima);
  }
}

template <std::size_t kVectors>
HWY_INLINE void MaxOverRows(const MaxSimBlock& block, std::size_t query) {
  std::size_t row = 0;
  for (; row + kMaxSimTile <= block.count; row += kMaxSimTile) MaxTile<kMaxSimTile, kVectors>(block, row, query);
  for (; row < block.count; ++row) MaxTile<1, kVectors>(block, row, query);
}

void MaxSimOfBlock(const MaxSimBlock& block) {
  const std::size_t lanes = hn::Lanes(D());
  std::fill_n(block.maxima, kMaxSimQueries, -std::numeric_limits<float>::infinity());
  for (std::size_t query = 0; query < kMaxSimQueries; query += 2 * lanes) MaxOverRows<2>(block, query);
}

bool AllFinite(const float* HWY_RESTRICT values, std::size_t count) {
  const D d;
  const std::size_t lanes = hn::Lanes(d);
  // 0 times a number is 0, times NaN or infinity NaN.
  const V zero = hn::Zero(d);
  V sums[4] = {zero, zero, zero, zero};
  std::size_t i = 0;
  for (; i + 4 * lanes <= count; i += 4 * lanes) {
    HWY_UNROLL(4)
    for (std::size_t k = 0; k < 4; ++k) sums[k] = hn::MulAdd(zero, hn::LoadU(d, values + i + k * lanes), sums[k]);
  }
  float sum = hn::GetLane(hn::SumOfLanes(d, hn::Add(hn::Add(sums[0], sums[1]), hn::Add(sums[2], sums[3]))));
  for (; i < count; ++i) sum += 0.0F * values[i];
  return sum == 0.0F;
}

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace treble::internal::simd
HWY_AFTER_NAMESPACE();

#endif
