// Float32 attention: the online softmax (Milakov & Gimelshein, arXiv 1805.02867).
// Compiled once for each instruction set (Highway), hence the guard that is toggled with the target.
#if defined(TREBLE_SIMD_ATTENTION_SOFTMAX_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef TREBLE_SIMD_ATTENTION_SOFTMAX_INL_H_
#undef TREBLE_SIMD_ATTENTION_SOFTMAX_INL_H_
#else
#define TREBLE_SIMD_ATTENTION_SOFTMAX_INL_H_
#endif

#include <algorithm>
#include <cstddef>

#include <hwy/highway.h>

#include "kernels/simd/attention_scores-inl.h"
#include "kernels/simd/exp-inl.h"

HWY_BEFORE_NAMESPACE();
namespace treble::internal::simd {
namespace HWY_NAMESPACE {
namespace {

/// Scores become weights e^(score − running max) in place; the running sum is rescaled to the new running maximum.
template <std::size_t kVectors>
HWY_INLINE void SoftmaxColumns(const BlockBuffers& w, std::size_t query, std::size_t keys, const V* block_max) {
  const D d;
  const std::size_t lanes = hn::Lanes(d);
  HWY_UNROLL(2)
  for (std::size_t v = 0; v < kVectors; ++v) {
    const std::size_t column = query + v * lanes;
    const V before = hn::Load(d, w.running_max + column);
    const V shift = hn::Max(before, block_max[v]);
    V sum0 = hn::Zero(d);
    V sum1 = hn::Zero(d);
    float* HWY_RESTRICT scores = w.scores + column;
    HWY_UNROLL(2)
    for (std::size_t key = 0; key < keys; key += 2, scores += 2 * kQueries) {
      const V weight0 = ExpOfNegative(hn::Sub(hn::Load(d, scores), shift));
      const V weight1 = ExpOfNegative(hn::Sub(hn::Load(d, scores + kQueries), shift));
      sum0 = hn::Add(sum0, weight0);
      sum1 = hn::Add(sum1, weight1);
      hn::Store(weight0, d, scores);
      hn::Store(weight1, d, scores + kQueries);
    }
    const V correction = ExpOfNegative(hn::Sub(before, shift));
    hn::Store(correction, d, w.correction + column);
    hn::Store(hn::MulAdd(hn::Load(d, w.running_sum + column), correction, hn::Add(sum0, sum1)), d,
              w.running_sum + column);
    hn::Store(shift, d, w.running_max + column);
  }
}

/// Attention weights of `keys` keys for kVectors vectors of queries.
template <std::size_t kVectors, bool kBiased>
void SoftmaxTile(const HeadTask& task, const BlockBuffers& w, const Block& block, std::size_t query,
                 std::size_t first_key, std::size_t keys) {
  V block_max[kVectors];
  HWY_UNROLL(2)
  for (std::size_t v = 0; v < kVectors; ++v) block_max[v] = hn::Set(D(), kLowest);
  for (std::size_t key = 0; key < keys; key += kTile) {
    ScoreTile<kVectors, kBiased>(task, w, block, first_key + key, query, w.scores + key * kQueries + query, block_max);
  }
  SoftmaxColumns<kVectors>(w, query, keys, block_max);
}

template <bool kBiased>
void SoftmaxBlock(const HeadTask& task, const BlockBuffers& w, const Block& block, std::size_t first_key,
                  std::size_t keys) {
  const std::size_t lanes = hn::Lanes(D());
  for (std::size_t query = 0; query < block.rows; query += kTileVectors * lanes) {
    if (block.rows - query > lanes) {
      SoftmaxTile<kTileVectors, kBiased>(task, w, block, query, first_key, keys);
    } else {
      SoftmaxTile<1, kBiased>(task, w, block, query, first_key, keys);
    }
  }
}

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace treble::internal::simd
HWY_AFTER_NAMESPACE();

#endif
