// Blocked attention for one head in float32.
//
// Scores lie transposed, S^T[key][query], so that the softmax goes down columns: maxima and sums are vectors of
// queries, and nothing is ever summed across one. Keys and values are copied side by side once a sequence, queries once
// a block.
//   keys     [length][head_dim]             S^T = K Q^T in tiles of some keys x some vectors of queries
//   queries  [head_dim][kQueries]
//   scores   [kKeyBlock][kQueries]
//   values   [length][padded_dim]           O += P V in tiles of some queries x 2 vectors of the width
// Compiled once for each instruction set (Highway), hence the guard that is toggled with the target.
#if defined(TREBLE_SIMD_ATTENTION_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef TREBLE_SIMD_ATTENTION_INL_H_
#undef TREBLE_SIMD_ATTENTION_INL_H_
#else
#define TREBLE_SIMD_ATTENTION_INL_H_
#endif

#include <algorithm>
#include <cstddef>

#include <hwy/highway.h>

#include "kernels/simd/attention_softmax-inl.h"

HWY_BEFORE_NAMESPACE();
namespace treble::internal::simd {
namespace HWY_NAMESPACE {
namespace {

/// Attention weights of `keys` keys, and the rescaling of what was accumulated before.
void ComputeWeights(const HeadTask& task, const BlockBuffers& w, const Block& block, std::size_t first_key,
                    std::size_t keys) {
  if (task.bias == nullptr && task.logit_bias == nullptr) {
    SoftmaxBlock<false>(task, w, block, first_key, keys);
    return;
  }
  if (task.logit_bias != nullptr) {
    PlaceLogitBias(task, w, block, first_key, keys);
  } else {
    PlacePositionBias(task, w, block, first_key, keys);
  }
  SoftmaxBlock<true>(task, w, block, first_key, keys);
}

/// O[kTile, kVectors vectors] = (O · correction, unless it is the first) + P V over `keys` keys.
template <std::size_t kVectors>
HWY_INLINE void ValueTile(const BlockBuffers& w, const float* HWY_RESTRICT values, std::size_t keys, std::size_t query,
                          bool first, float* HWY_RESTRICT output) {
  const D d;
  const std::size_t lanes = hn::Lanes(d);
  V sum[kTile][kVectors];
  HWY_UNROLL(8)
  for (std::size_t r = 0; r < kTile; ++r) {
    const V correction = hn::Set(d, w.correction[query + r]);
    HWY_UNROLL(2)
    for (std::size_t v = 0; v < kVectors; ++v) {
      sum[r][v] = first ? hn::Zero(d) : hn::Mul(correction, hn::Load(d, output + r * w.padded_dim + v * lanes));
    }
  }
  const float* HWY_RESTRICT weights = w.scores + query;
  for (std::size_t key = 0; key < keys; ++key, weights += kQueries, values += w.padded_dim) {
    V value[kVectors];
    HWY_UNROLL(2)
    for (std::size_t v = 0; v < kVectors; ++v) value[v] = hn::Load(d, values + v * lanes);
    HWY_UNROLL(8)
    for (std::size_t r = 0; r < kTile; ++r) {
      const V weight = hn::Set(d, weights[r]);
      HWY_UNROLL(2)
      for (std::size_t v = 0; v < kVectors; ++v) sum[r][v] = hn::MulAdd(weight, value[v], sum[r][v]);
    }
  }
  HWY_UNROLL(8)
  for (std::size_t r = 0; r < kTile; ++r) {
    HWY_UNROLL(2)
    for (std::size_t v = 0; v < kVectors; ++v) hn::Store(sum[r][v], d, output + r * w.padded_dim + v * lanes);
  }
}

void AddValues(const BlockBuffers& w, const Block& block, std::size_t first_key, std::size_t keys, bool first) {
  const std::size_t lanes = hn::Lanes(D());
  const float* values = w.values + first_key * w.padded_dim;
  for (std::size_t c = 0; c < w.padded_dim; c += 2 * lanes) {
    for (std::size_t query = 0; query < block.rows; query += kTile) {
      float* output = w.output + query * w.padded_dim + c;
      if (w.padded_dim - c > lanes) {
        ValueTile<2>(w, values + c, keys, query, first, output);
      } else {
        ValueTile<1>(w, values + c, keys, query, first, output);
      }
    }
  }
}

void WriteOutput(const HeadTask& task, const BlockBuffers& w, const Block& block) {
  const D d;
  for (std::size_t row = 0; row < block.rows; ++row) {
    float* output = w.output + row * w.padded_dim;
    const V factor = hn::Set(d, inverse_sum(w.running_max[row], w.running_sum[row]));
    for (std::size_t c = 0; c < w.padded_dim; c += hn::Lanes(d)) {
      hn::Store(hn::Mul(factor, hn::Load(d, output + c)), d, output + c);
    }
    CopyPadded(output, task.head_dim, task.head_dim, task.out + (block.first + row) * task.out_stride);
  }
}

void AttendBlock(const HeadTask& task, const BlockBuffers& w, const Block& block) {
  PackQueries(task, block, round_up(block.rows, hn::Lanes(D())), w.queries);
  std::fill_n(w.running_max, kQueries, kLowest);
  std::fill_n(w.running_sum, kQueries, 0.0F);
  std::fill_n(w.correction, kQueries, 0.0F);
  std::fill_n(w.bias_scale, kQueries, 0.0F);
  for (std::size_t row = 0; row < block.rows && task.bias != nullptr; ++row) {
    w.bias_scale[row] = task.temper_bias ? task.logit_scales[block.first + row] : 1.0F;
  }
  // Keys that no query of the block attends to are skipped; blocks begin where a tile does.
  const KeyRange visible = visible_keys(task, block.first, block.rows);
  const std::size_t begin = visible.begin - visible.begin % kTile;
  if (begin >= visible.end) std::fill_n(w.output, block.rows * w.padded_dim, 0.0F);
  for (std::size_t key = begin; key < visible.end; key += kKeyBlock) {
    const std::size_t keys = round_up(std::min(kKeyBlock, visible.end - key), kTile);
    ComputeWeights(task, w, block, key, keys);
    AddValues(w, block, key, keys, key == begin);
  }
  WriteOutput(task, w, block);
}

void AttendHead(const HeadTask& task) {
  const BlockBuffers w = place_buffers(task);
  PackRows(task.k, task.k_stride, task, task.head_dim, w.keys);
  PackRows(task.v, task.v_stride, task, w.padded_dim, w.values);
  for (std::size_t first = 0; first < task.length; first += kQueries) {
    AttendBlock(task, w, {first, std::min(kQueries, task.length - first)});
  }
}

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace treble::internal::simd
HWY_AFTER_NAMESPACE();

#endif
