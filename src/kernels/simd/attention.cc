// Blocked attention for one head, compiled once for each instruction set and chosen at run time (Highway).
//
// Scores lie transposed, S^T[key][query], so that the softmax goes down columns: maxima and sums are vectors of
// queries, and nothing is ever summed across one. Keys and values are copied side by side once a sequence, queries once
// a block.
//   keys     [length][head_dim]             S^T = K Q^T in tiles of some keys x some vectors of queries
//   queries  [head_dim][kQueries]
//   scores   [kKeyBlock][kQueries]
//   values   [length][padded_dim]           O += P V in tiles of some queries x 2 vectors of the width
#include "kernels/attention.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>
#include <span>

#include "base/fail.h"
#include "kernels/onednn/matmul.h"
#include "kernels/simd/attention_head.h"
#include "kernels/simd/bfloat16_attention.h"
#include "kernels/simd/choose_target.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/simd/attention.cc"
#include <hwy/foreach_target.h>
// Highway wants to come after foreach_target.h.
#include <hwy/highway.h>

#include "kernels/simd/bounds-inl.h"

HWY_BEFORE_NAMESPACE();
namespace treble::internal::simd {
namespace HWY_NAMESPACE {
namespace {

namespace hn = hwy::HWY_NAMESPACE;
using D = hn::ScalableTag<float>;
using V = hn::Vec<D>;

constexpr float kLog2E = std::numbers::log2e_v<float>;
constexpr float kLowest = std::numeric_limits<float>::lowest();

/// Keys of a tile of scores, queries of a tile of outputs, each times two vectors: 16 sums of 32 registers, or 8 of 16
/// (GCC 12 spills some of 12).
constexpr std::size_t kTile = HWY_MAX_BYTES >= 64 ? 8 : 4;
constexpr std::size_t kTileVectors = 2;
static_assert(kTile % 4 == 0 && kQueries % kTile == 0 && kKeyPadding % kTile == 0);

struct Workspace {
  float* keys;
  float* values;
  float* queries;      // [head_dim, kQueries], scaled
  float* scores;       // [kKeyBlock, kQueries]
  float* output;       // [kQueries, padded_dim]
  float* running_max;  // [kQueries], likewise below
  float* running_sum;
  float* correction;  // rescales what was accumulated before a block of keys
  float* bias_scale;
  float* bias;  // of all distances in a block, in descending order; or of four queries' keys
  std::size_t padded_dim;
};

Workspace divide(const HeadTask& task) {
  Workspace w{};
  w.padded_dim = round_up(task.head_dim, hn::Lanes(D()));
  float* next = task.scratch;
  const auto take = [&next](std::size_t floats) {
    float* result = next;
    next += round_up(floats, kMaxLanes);
    return result;
  };
  const std::size_t length = round_up(task.length, kKeyPadding);
  w.keys = take(length * task.head_dim);
  w.values = take(length * w.padded_dim);
  w.queries = take(kQueries * task.head_dim);
  w.scores = take(kQueries * kKeyBlock);
  w.output = take(kQueries * w.padded_dim);
  w.running_max = take(kQueries);
  w.running_sum = take(kQueries);
  w.correction = take(kQueries);
  w.bias_scale = take(kQueries);
  w.bias = take(4 * kKeyBlock);
  return w;
}

/// A block of queries.
struct Block {
  std::size_t first;
  std::size_t rows;
};

/// `count` floats, of which `padded` (a multiple of the vector's lanes) have room; zeros behind the last. A copy of so
/// few bytes by memcpy takes longer to begin than to make.
HWY_INLINE void CopyPadded(const float* HWY_RESTRICT from, std::size_t count, std::size_t padded,
                           float* HWY_RESTRICT to) {
  const D d;
  const std::size_t lanes = hn::Lanes(d);
  std::size_t c = 0;
  for (; c + lanes <= count; c += lanes) hn::StoreU(hn::LoadU(d, from + c), d, to + c);
  for (; c < count; ++c) to[c] = from[c];
  for (; c < padded; ++c) to[c] = 0.0F;
}

/// Rows side by side, each of `width` floats; zeros behind the last row and the last column.
void PackRows(const float* from, std::size_t stride, const HeadTask& task, std::size_t width, float* packed) {
  for (std::size_t row = 0; row < task.length; ++row, packed += width) {
    CopyPadded(from + row * stride, task.head_dim, width, packed);
  }
  std::fill_n(packed, (round_up(task.length, kKeyPadding) - task.length) * width, 0.0F);
}

/// Four columns of four rows, transposed: to[c · kQueries + row] = from[row · stride + c].
HWY_INLINE void TransposeFour(const float* from, std::size_t stride, float* to) {
#if HWY_TARGET == HWY_SCALAR  // which has no vectors of four
  for (std::size_t row = 0; row < 4; ++row) {
    for (std::size_t c = 0; c < 4; ++c) to[c * kQueries + row] = from[row * stride + c];
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
  hn::StoreU(hn::BitCast(d, hn::InterleaveUpper(pairs, low01, low23)), d, to + kQueries);
  hn::StoreU(hn::BitCast(d, hn::InterleaveLower(pairs, high01, high23)), d, to + 2 * kQueries);
  hn::StoreU(hn::BitCast(d, hn::InterleaveUpper(pairs, high01, high23)), d, to + 3 * kQueries);
#endif
}

/// Transposed and scaled. Queries behind the last become zeros, so that whole vectors can be computed.
void PackQueries(const HeadTask& task, const Block& block, std::size_t padded_rows, float* queries) {
  const D d;
  const float* from = task.q + block.first * task.q_stride;
  std::size_t row = 0;
  for (; row + 4 <= block.rows && task.head_dim % 4 == 0; row += 4) {
    for (std::size_t c = 0; c < task.head_dim; c += 4) {
      TransposeFour(from + row * task.q_stride + c, task.q_stride, queries + c * kQueries + row);
    }
  }
  for (; row < padded_rows; ++row) {
    for (std::size_t c = 0; c < task.head_dim; ++c) {
      queries[c * kQueries + row] = row < block.rows ? from[row * task.q_stride + c] : 0.0F;
    }
  }
  HWY_ALIGN float scales[kQueries] = {};
  for (row = 0; row < block.rows; ++row) scales[row] = task.logit_scales[block.first + row] * task.qk_scale;
  for (std::size_t first = 0; first < padded_rows; first += hn::Lanes(d)) {
    const V scale = hn::Load(d, scales + first);
    for (std::size_t c = 0; c < task.head_dim; ++c) {
      float* values = queries + c * kQueries + first;
      hn::Store(hn::Mul(scale, hn::Load(d, values)), d, values);
    }
  }
}

/// Whether every query of the block attends to all keys of a tile.
bool FullyVisible(const HeadTask& task, const Block& block, std::size_t key) {
  const std::size_t last_key = key + kTile - 1;
  return last_key < task.length && last_key <= block.first + task.window_right &&
         block.first + block.rows - 1 <= key + task.window_left;
}

/// −∞ in place of the scores of queries that do not attend to `key`; the vector's first query is `first`.
HWY_INLINE V ApplyMask(const HeadTask& task, std::size_t key, std::size_t first, V scores) {
  const D d;
  const V hidden = hn::Set(d, -std::numeric_limits<float>::infinity());
  if (key >= task.length) return hidden;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  const auto distance = static_cast<std::int64_t>(key) - static_cast<std::int64_t>(first);
  // Queries [begin, end) of the vector attend to it.
  const auto begin = std::clamp<std::int64_t>(distance - static_cast<std::int64_t>(task.window_right), 0, lanes);
  const auto end = std::clamp<std::int64_t>(distance + static_cast<std::int64_t>(task.window_left) + 1, 0, lanes);
  const V until_end = hn::IfThenElse(hn::FirstN(d, static_cast<std::size_t>(end)), scores, hidden);
  return hn::IfThenElse(hn::FirstN(d, static_cast<std::size_t>(begin)), hidden, until_end);
}

/// Scores of kTile keys from `key` and kVectors vectors of queries from `query`, added to what `scores` hold when
/// kBiased; updates `block_max`.
template <std::size_t kVectors, bool kBiased>
HWY_INLINE void ScoreTile(const HeadTask& task, const Workspace& w, const Block& block, std::size_t key,
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
  if (!FullyVisible(task, block, key)) {
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

/// e^x for x ≤ 0, as 2^(x·log₂e): what the product rounds off matters only where e^x is small, so the argument needs no
/// reduction in two parts. Below 2⁻¹²⁵ it is 2⁻¹²⁵; NaN stays NaN. The polynomial is the minimax approximation of 2^r
/// of degree 6 on [−½, ½], relative error 2e-9; degree 5 moves a text that mpnet-base is sensitive to by 5e-6 rather
/// than 3e-6. The exponent comes by a multiplication, as adding it to the bits makes a number of NaN.
HWY_INLINE V ExpOfNegative(V x) {
  const D d;
  const hn::RebindToSigned<D> bits;
  const V log2e = hn::Set(d, kLog2E);
  const V bounded = ClampMin(hn::Set(d, -125.0F / kLog2E), x);
  // So large a number has no room for a fraction: its last bits are the whole number that is nearest.
  const V magic = hn::Set(d, 12582912.0F);
  const V shifted = hn::MulAdd(bounded, log2e, magic);
  const V r = hn::MulSub(bounded, log2e, hn::Sub(shifted, magic));
  V power = hn::Set(d, 1.53458116e-4F);
  power = hn::MulAdd(power, r, hn::Set(d, 1.33999312e-3F));
  power = hn::MulAdd(power, r, hn::Set(d, 9.61848896e-3F));
  power = hn::MulAdd(power, r, hn::Set(d, 5.55032878e-2F));
  power = hn::MulAdd(power, r, hn::Set(d, 0.240226469F));
  power = hn::MulAdd(power, r, hn::Set(d, 0.693147206F));
  power = hn::MulAdd(power, r, hn::Set(d, 1.0F));
  const auto exponent = hn::ShiftLeft<23>(hn::BitCast(bits, shifted));
  return hn::Mul(power, hn::BitCast(d, hn::Add(exponent, hn::BitCast(bits, hn::Set(d, 1.0F)))));
}

/// Scores become weights e^(score − running max) in place; the running sum is rescaled to the new running maximum.
template <std::size_t kVectors>
HWY_INLINE void SoftmaxColumns(const Workspace& w, std::size_t query, std::size_t keys, const V* block_max) {
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
void SoftmaxTile(const HeadTask& task, const Workspace& w, const Block& block, std::size_t query, std::size_t first_key,
                 std::size_t keys) {
  V block_max[kVectors];
  HWY_UNROLL(2)
  for (std::size_t v = 0; v < kVectors; ++v) block_max[v] = hn::Set(D(), kLowest);
  for (std::size_t key = 0; key < keys; key += kTile) {
    ScoreTile<kVectors, kBiased>(task, w, block, first_key + key, query, w.scores + key * kQueries + query, block_max);
  }
  SoftmaxColumns<kVectors>(w, query, keys, block_max);
}

template <bool kBiased>
void SoftmaxBlock(const HeadTask& task, const Workspace& w, const Block& block, std::size_t first_key,
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

/// scores = bias_scale · bias[key − query]; 0 where there is no such key or query.
void PlacePositionBias(const HeadTask& task, const Workspace& w, const Block& block, std::size_t first_key,
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
void FillBiasRow(const HeadTask& task, const Workspace& w, const Block& block, std::size_t row, std::size_t first_key,
                 std::span<float> logits) {
  const std::size_t query = block.first + row;
  const auto distance = static_cast<std::ptrdiff_t>(first_key) - static_cast<std::ptrdiff_t>(query);
  for (std::size_t key = 0; key < logits.size() && task.bias != nullptr; ++key) {
    logits[key] = w.bias_scale[row] * task.bias[distance + static_cast<std::ptrdiff_t>(key)];
  }
  task.logit_bias->add(task.sequence, task.head, static_cast<std::int64_t>(query), static_cast<std::int64_t>(first_key),
                       task.logit_scales[query], logits);
}

/// The model's own bias comes query by query, so four of them are filled and transposed.
void PlaceLogitBias(const HeadTask& task, const Workspace& w, const Block& block, std::size_t first_key,
                    std::size_t keys) {
  const std::size_t there = std::min(keys, task.length - first_key);
  for (std::size_t row = 0; row < round_up(block.rows, hn::Lanes(D())); row += 4) {
    std::fill_n(w.bias, 4 * kKeyBlock, 0.0F);
    for (std::size_t r = 0; r < 4 && row + r < block.rows; ++r) {
      FillBiasRow(task, w, block, row + r, first_key, {w.bias + r * kKeyBlock, there});
    }
    for (std::size_t key = 0; key < keys; key += 4) {
      TransposeFour(w.bias + key, kKeyBlock, w.scores + key * kQueries + row);
    }
  }
}

/// Attention weights of `keys` keys, and the rescaling of what was accumulated before.
void ComputeWeights(const HeadTask& task, const Workspace& w, const Block& block, std::size_t first_key,
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
HWY_INLINE void ValueTile(const Workspace& w, const float* HWY_RESTRICT values, std::size_t keys, std::size_t query,
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

void AddValues(const Workspace& w, const Block& block, std::size_t first_key, std::size_t keys, bool first) {
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

void WriteOutput(const HeadTask& task, const Workspace& w, const Block& block) {
  const D d;
  for (std::size_t row = 0; row < block.rows; ++row) {
    float* output = w.output + row * w.padded_dim;
    const V factor = hn::Set(d, 1.0F / w.running_sum[row]);
    for (std::size_t c = 0; c < w.padded_dim; c += hn::Lanes(d)) {
      hn::Store(hn::Mul(factor, hn::Load(d, output + c)), d, output + c);
    }
    CopyPadded(output, task.head_dim, task.head_dim, task.out + (block.first + row) * task.out_stride);
  }
}

void AttendBlock(const HeadTask& task, const Workspace& w, const Block& block) {
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
  for (std::size_t key = begin; key < visible.end; key += kKeyBlock) {
    const std::size_t keys = round_up(std::min(kKeyBlock, visible.end - key), kTile);
    ComputeWeights(task, w, block, key, keys);
    AddValues(w, block, key, keys, key == begin);
  }
  WriteOutput(task, w, block);
}

void AttendHead(const HeadTask& task) {
  const Workspace w = divide(task);
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

#if HWY_ONCE
namespace treble::internal {

namespace simd {
HWY_EXPORT(AttendHead);

// The table of functions can only be named from the namespace that exports it.
auto attend_head() {
  choose_target();
  return &HWY_DYNAMIC_DISPATCH(AttendHead);
}
}  // namespace simd

namespace {

template <typename T>
void check_heads(const BasicAttentionInputs<T>& in, std::int64_t tokens) {
  const bool divides =
      in.num_heads >= 1 && in.num_kv_heads >= 1 && in.num_heads % in.num_kv_heads == 0 && in.q.cols % in.num_heads == 0;
  const auto scales = static_cast<std::int64_t>(in.logit_scales.size());
  if (!divides || scales != tokens * in.num_heads || in.window_left < 0 || in.window_right < 0) {
    fail(ErrorCode::internal, "attention: {} heads on {}, {} columns, {} tokens, {} logit scales, window {} and {}",
         in.num_heads, in.num_kv_heads, in.q.cols, tokens, scales, in.window_left, in.window_right);
  }
}

template <typename T>
void check_matrix(BasicMatrixView<T> view, std::int64_t rows, std::int64_t cols) {
  if (view.rows == rows && view.cols == cols) return;
  fail(ErrorCode::internal, "attention: expected [{}, {}], got [{}, {}]", rows, cols, view.rows, view.cols);
}

template <typename T>
void check_shapes(const BasicAttentionInputs<T>& in, BasicMatrixView<T> out) {
  const std::int64_t tokens = in.offsets.back();
  check_heads(in, tokens);
  const std::int64_t kv_width = in.num_kv_heads * in.head_dim();
  check_matrix(in.q, tokens, in.q.cols);
  check_matrix(in.k, tokens, kv_width);
  check_matrix(in.v, tokens, kv_width);
  check_matrix(out, tokens, in.q.cols);
  if (in.bias_max_length == 0) return;
  check_matrix(in.position_bias, in.num_heads, 2 * in.bias_max_length - 1);
  for (std::size_t s = 0; s + 1 < in.offsets.size(); ++s) {
    const std::int64_t length = in.offsets[s + 1] - in.offsets[s];
    if (length > in.bias_max_length) {
      fail(ErrorCode::internal, "attention: a sequence of {} tokens, the position bias covers {}", length,
           in.bias_max_length);
    }
  }
}

template <typename T>
simd::BasicHeadTask<T> head_task(const BasicAttentionInputs<T>& in, BasicMatrixView<T> out, std::int64_t sequence,
                                 std::int64_t head) {
  const auto s = static_cast<std::size_t>(sequence);
  const std::int64_t begin = in.offsets[s];
  const std::int64_t column = head * in.head_dim();
  const std::int64_t kv_column = head / (in.num_heads / in.num_kv_heads) * in.head_dim();
  simd::BasicHeadTask<T> task;
  task.q = in.q.row(begin) + column;
  task.k = in.k.row(begin) + kv_column;
  task.v = in.v.row(begin) + kv_column;
  task.out = out.row(begin) + column;
  task.q_stride = static_cast<std::size_t>(in.q.stride);
  task.k_stride = static_cast<std::size_t>(in.k.stride);
  task.v_stride = static_cast<std::size_t>(in.v.stride);
  task.out_stride = static_cast<std::size_t>(out.stride);
  task.length = static_cast<std::size_t>(in.offsets[s + 1] - begin);
  task.head_dim = static_cast<std::size_t>(in.head_dim());
  task.qk_scale = in.qk_scale;
  task.logit_scales = in.logit_scales.data() + head * in.q.rows + begin;
  task.window_left = static_cast<std::size_t>(in.window_left);
  task.window_right = static_cast<std::size_t>(in.window_right);
  if (in.bias_max_length > 0) task.bias = in.position_bias.row(head) + in.bias_max_length - 1;
  task.temper_bias = in.temper_position_bias;
  task.logit_bias = in.logit_bias;
  task.sequence = sequence;
  task.head = head;
  return task;
}

/// `attend_head` for each head of each sequence.
template <typename T>
void attend(const Execution& execution, const BasicAttentionInputs<T>& inputs, std::vector<AttentionScratch>& scratch,
            BasicMatrixView<T> out, void (*attend_head)(const simd::BasicHeadTask<T>&),
            std::size_t (*scratch_floats)(std::size_t, std::size_t)) {
  if (scratch.size() < static_cast<std::size_t>(execution.threads())) {
    scratch.resize(static_cast<std::size_t>(execution.threads()));
  }
  const auto num_sequences = static_cast<std::int64_t>(inputs.offsets.size()) - 1;
  const auto run = [&](std::int64_t index, int worker) {
    simd::BasicHeadTask<T> task = head_task(inputs, out, index / inputs.num_heads, index % inputs.num_heads);
    if (task.length == 0) return;
    task.scratch = scratch[static_cast<std::size_t>(worker)].ensure(scratch_floats(task.length, task.head_dim));
    attend_head(task);
  };
  const std::int64_t tasks = num_sequences * inputs.num_heads;
  if (num_sequences == 1) {
    execution.for_ranges(tasks, 1, [&](std::int64_t begin, std::int64_t end, int worker) {
      for (std::int64_t index = begin; index < end; ++index) run(index, worker);
    });
  } else if (execution.pool != nullptr) {
    execution.pool->parallel_for(tasks, run);
  } else {
    for (std::int64_t index = 0; index < tasks; ++index) run(index, 0);
  }
}

}  // namespace

bool supports_bf16_attention(std::int64_t head_dim) {
#if defined(__x86_64__)
  static const bool has_instructions = onednn::has_avx512_bfloat16() && __builtin_cpu_supports("avx512vbmi") != 0;
#else
  constexpr bool has_instructions = false;
#endif
  return has_instructions && head_dim % 2 == 0;
}

void attention(const Execution& execution, const AttentionInputs& inputs, std::vector<AttentionScratch>& scratch,
               MatrixView out) {
  check_shapes(inputs, out);
  if (inputs.bfloat16 && inputs.logit_bias == nullptr && supports_bf16_attention(inputs.head_dim())) {
    attend(execution, inputs, scratch, out, &simd::attend_head_bfloat16, &simd::bfloat16_scratch_floats);
  } else {
    attend(execution, inputs, scratch, out, simd::attend_head(), &simd::head_scratch_floats);
  }
}

void attention(const Execution& execution, const Bfloat16AttentionInputs& inputs,
               std::vector<AttentionScratch>& scratch, Bfloat16View out) {
  check_shapes(inputs, out);
  if (inputs.logit_bias != nullptr || !supports_bf16_attention(inputs.head_dim())) {
    fail(ErrorCode::internal, "attention: no bfloat16 for heads of {}, or with a bias of the model's own",
         inputs.head_dim());
  }
  attend(execution, inputs, scratch, out, &simd::attend_head_bfloat16, &simd::bfloat16_scratch_floats);
}

}  // namespace treble::internal
#endif  // HWY_ONCE
