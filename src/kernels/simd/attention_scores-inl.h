// Float32 attention: logits of a block of queries, with biases and masks.
// Compiled once for each instruction set (Highway), hence the guard that is toggled with the target.
#if defined(TREBLE_SIMD_ATTENTION_SCORES_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef TREBLE_SIMD_ATTENTION_SCORES_INL_H_
#undef TREBLE_SIMD_ATTENTION_SCORES_INL_H_
#else
#define TREBLE_SIMD_ATTENTION_SCORES_INL_H_
#endif

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>

#include <hwy/highway.h>

#include "kernels/simd/attention_pack-inl.h"

HWY_BEFORE_NAMESPACE();
namespace treble::internal::simd {
namespace HWY_NAMESPACE {
namespace {

/// −∞ in place of the scores of queries that do not attend to `key`; the vector's first query is `first`.
HWY_INLINE V ApplyMask(const HeadTask& task, std::size_t key, std::size_t first, V scores) {
  const D d;
  const V hidden = hn::Set(d, -std::numeric_limits<float>::infinity());
  const QueryRange visible = visible_queries(task, key, first, hn::Lanes(d));
  const V until_end = hn::IfThenElse(hn::FirstN(d, visible.end), scores, hidden);
  return hn::IfThenElse(hn::FirstN(d, visible.begin), hidden, until_end);
}

/// Scores of kTile keys from `key` and kVectors vectors of queries from `query`, added to what `scores` hold when
/// kBiased; updates `block_max`.
template <std::size_t kVectors, bool kBiased>
HWY_INLINE void ScoreTile(const HeadTask& task, const BlockBuffers& w, const Block& block, std::size_t key,
                          std::size_t query, float* HWY_RESTRICT scores, V* HWY_RESTRICT block_max) {
  const D d;
  const std::size_t lanes = hn::Lanes(d);
  V sum[kTile][kVectors];
  HWY_UNROLL(8)
  for (std::size_t r = 0; r < kTile; ++r) {
    HWY_UNROLL(2)
    for (std::size_t v = 0; v < kVectors; ++v) {
      sum[r][v] = hn::Zero(d);
    }
  }
  const float* HWY_RESTRICT keys = w.keys + key * task.head_dim;
  const float* HWY_RESTRICT queries = w.queries + query;
  const std::size_t head_dim = task.head_dim;
  for (std::size_t c = 0; c < head_dim; ++c, queries += kQueries) {
    V one[kVectors];
    HWY_UNROLL(2)
    for (std::size_t v = 0; v < kVectors; ++v) one[v] = hn::Load(d, queries + v * lanes);
    HWY_UNROLL(8)
    for (std::size_t r = 0; r < kTile; ++r) {
      const V key_value = hn::Set(d, keys[r * head_dim + c]);
      HWY_UNROLL(2)
      for (std::size_t v = 0; v < kVectors; ++v) sum[r][v] = hn::MulAdd(key_value, one[v], sum[r][v]);
    }
  }
  // Not what the sums begin with: large biases would cost the products their low bits.
  if (kBiased) {
    HWY_UNROLL(8)
    for (std::size_t r = 0; r < kTile; ++r) {
      HWY_UNROLL(2)
      for (std::size_t v = 0; v < kVectors; ++v) {
        sum[r][v] = hn::Add(sum[r][v], hn::Load(d, scores + r * kQueries + v * lanes));
      }
    }
  }
  if (!fully_visible(task, block.first, block.rows, key, kTile)) {
    HWY_UNROLL(8)
    for (std::size_t r = 0; r < kTile; ++r) {
      HWY_UNROLL(2)
      for (std::size_t v = 0; v < kVectors; ++v) {
        sum[r][v] = ApplyMask(task, key + r, block.first + query + v * lanes, sum[r][v]);
      }
    }
  }
  HWY_UNROLL(8)
  for (std::size_t r = 0; r < kTile; ++r) {
    HWY_UNROLL(2)
    for (std::size_t v = 0; v < kVectors; ++v) {
      block_max[v] = hn::Max(block_max[v], sum[r][v]);
      hn::Store(sum[r][v], d, scores + r * kQueries + v * lanes);
    }
  }
}

/// scores = bias_scale · bias[key − query]; 0 where there is no such key or query.
void PlacePositionBias(const HeadTask& task, const BlockBuffers& w, const Block& block, std::size_t first_key,
                       std::size_t keys) {
  const D d;
  // Distances in descending order: a key's biases are then contiguous, ascending with the query.
  const auto max_distance =
      static_cast<std::ptrdiff_t>(first_key + keys - 1) - static_cast<std::ptrdiff_t>(block.first);
  const auto length = static_cast<std::ptrdiff_t>(task.length);
  for (std::size_t i = 0; i < keys + kQueries; ++i) {
    const std::ptrdiff_t distance = max_distance - static_cast<std::ptrdiff_t>(i);
    w.bias[i] = distance > -length && distance < length ? task.bias[distance] : 0.0F;
  }
  for (std::size_t key = 0; key < keys; ++key) {
    const float* bias = w.bias + (keys - 1 - key);
    for (std::size_t query = 0; query < block.rows; query += hn::Lanes(d)) {
      const V scaled = hn::Mul(hn::Load(d, w.bias_scale + query), hn::LoadU(d, bias + query));
      hn::Store(scaled, d, w.scores + key * kQueries + query);
    }
  }
}

/// One query's row of biases: bias_scale · bias[key − query] and the model's own.
void FillBiasRow(const HeadTask& task, const BlockBuffers& w, const Block& block, std::size_t row,
                 std::size_t first_key, std::span<float> logits) {
  const std::size_t query = block.first + row;
  const auto distance = static_cast<std::ptrdiff_t>(first_key) - static_cast<std::ptrdiff_t>(query);
  for (std::size_t key = 0; key < logits.size() && task.bias != nullptr; ++key) {
    logits[key] = w.bias_scale[row] * task.bias[distance + static_cast<std::ptrdiff_t>(key)];
  }
  task.logit_bias->add(task.sequence, task.head, static_cast<std::int64_t>(query), static_cast<std::int64_t>(first_key),
                       task.logit_scales[query], logits);
}

/// The model's own bias comes query by query, so four of them are filled and transposed.
void PlaceLogitBias(const HeadTask& task, const BlockBuffers& w, const Block& block, std::size_t first_key,
                    std::size_t keys) {
  const std::size_t there = std::min(keys, task.length - first_key);
  for (std::size_t row = 0; row < round_up(block.rows, hn::Lanes(D())); row += 4) {
    std::fill_n(w.bias, 4 * kKeyBlock, 0.0F);
    for (std::size_t r = 0; r < 4 && row + r < block.rows; ++r) {
      FillBiasRow(task, w, block, row + r, first_key, {w.bias + r * kKeyBlock, there});
    }
    for (std::size_t key = 0; key < keys; key += 4) {
      TransposeFour(w.bias + key, kKeyBlock, w.scores + key * kQueries + row, kQueries);
    }
  }
}

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace treble::internal::simd
HWY_AFTER_NAMESPACE();

#endif
