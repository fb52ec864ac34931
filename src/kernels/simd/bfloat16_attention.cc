// Scores lie transposed, S^T[key][query], so that the softmax goes down columns: maxima and sums of 16 queries are
// vectors, and nothing is ever summed across one.
//   keys     [length][head_dim]             bfloat16, as they come; a pair of numbers is one broadcast
//   queries  [head_dim / 2][32 queries]     pairs of bfloat16, transposed
//   values   [length / 2][head_dim][2]      the same number of neighbouring keys side by side
//   weights  [length / 2][32 queries][2]    likewise, over the scores that they come from
// S^T = K Q^T in tiles of 8 keys x 2 vectors of queries, O += P V in tiles of 8 queries x 2 vectors of the width: 16
// accumulators of 32 registers, and a multiplication that takes six cycles to come back never waits for one.
// Written in AVX512-BF16 and not with Highway, whose 1.0 emulates it.
#include "kernels/simd/bfloat16_attention.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <numbers>

#include "kernels/simd/scratch_arena.h"

#if defined(__x86_64__)
#include "kernels/simd/bfloat16_softmax.h"
#include "kernels/simd/bfloat16_vectors.h"
#endif

namespace treble::internal::simd {

#if defined(__x86_64__)

namespace {

constexpr std::size_t kTile = 8;
/// Prefetch distance in rows: a head's rows lie too far apart for the hardware prefetcher.
constexpr std::size_t kPrefetchRows = 8;
constexpr float kLog2E = std::numbers::log2e_v<float>;
constexpr float kLowest = std::numeric_limits<float>::lowest();

/// What a block of queries works on.
struct BlockBuffers {
  std::uint16_t* keys;
  std::uint32_t* values;
  std::uint32_t* queries;
  float* scores;
  float* output;  ///< [kQueries, padded_dim]
  float* running_max;
  float* running_sum;
  float* correction;
  float* bias_scale;
  std::size_t padded_dim;
};

std::size_t padded_length(std::size_t length) { return round_up(length, kTile); }

BlockBuffers place_buffers(const HeadShape& task) {
  return place_arrays(*task.scratch, [&](ScratchArena& arena) {
    const std::size_t length = padded_length(task.length);
    BlockBuffers w{};
    w.padded_dim = round_up(task.head_dim, kLanes);
    w.keys = arena.take<std::uint16_t>(length * task.head_dim);
    w.values = arena.take<std::uint32_t>(length / 2 * w.padded_dim);
    w.queries = arena.take<std::uint32_t>((w.padded_dim / 2 + kLanes) * kQueries);
    w.scores = arena.take<float>(kKeyBlock * kQueries);
    w.output = arena.take<float>(kQueries * w.padded_dim);
    for (float** row : {&w.running_max, &w.running_sum, &w.correction, &w.bias_scale}) {
      *row = arena.take<float>(kQueries);
    }
    return w;
  });
}

/// Prefetches a row.
template <typename T>
TREBLE_BF16_INLINE void prefetch_row(const T* row, std::size_t dim) {
  for (std::size_t c = 0; c < dim; c += kCacheLine / sizeof(T)) __builtin_prefetch(row + c);
}

/// Rows behind the last become zeros.
template <typename T>
TREBLE_BF16 void pack_keys(const BasicHeadTask<T>& task, std::uint16_t* keys) {
  const std::size_t dim = task.head_dim;
  for (std::size_t row = 0; row < task.length; ++row, keys += dim) {
    const T* key = task.k + row * task.k_stride;
    prefetch_row(key + kPrefetchRows * task.k_stride, dim);
    for (std::size_t c = 0; c < dim; c += kLanes) {
      const __mmask16 mask = first_lanes(dim - c);
      const __m256i bf16 = load_bf16(key + c, mask);
      if (dim - c >= kLanes) {
        _mm256_storeu_si256(reinterpret_cast<__m256i*>(keys + c), bf16);
      } else {
        _mm256_mask_storeu_epi16(keys + c, mask, bf16);
      }
    }
  }
  std::fill_n(keys, (padded_length(task.length) - task.length) * dim, std::uint16_t{0});
}

template <typename T>
TREBLE_BF16 void pack_values(const BasicHeadTask<T>& task, std::size_t padded_dim, std::uint32_t* values) {
  std::size_t row = 0;
  for (; row < task.length; row += 2, values += padded_dim) {
    const T* first = task.v + row * task.v_stride;
    const T* second = row + 1 < task.length ? first + task.v_stride : nullptr;
    prefetch_row(first + kPrefetchRows * task.v_stride, task.head_dim);
    prefetch_row(first + (kPrefetchRows + 1) * task.v_stride, task.head_dim);
    for (std::size_t c = 0; c < padded_dim; c += kLanes) {
      const __mmask16 mask = first_lanes(task.head_dim - c);
      _mm512_storeu_si512(values + c, load_pairs(first + c, second == nullptr ? nullptr : second + c, mask));
    }
  }
  for (; row < padded_length(task.length); row += 2, values += padded_dim) std::fill_n(values, padded_dim, 0U);
}

/// 16 queries from `first`, of which `rows` are there; the others become zeros. Scaled so that scores are powers of 2.
template <typename T>
TREBLE_BF16 void pack_queries(const BasicHeadTask<T>& task, std::size_t first, std::size_t rows,
                              std::uint32_t* queries) {
  for (std::size_t c = 0; c < task.head_dim; c += 2 * kLanes) {
    const __mmask16 low_mask = first_lanes(task.head_dim - c);
    const std::size_t behind = std::min(task.head_dim, c + kLanes);
    const __mmask16 high_mask = first_lanes(task.head_dim - behind);
    __m512i row[16];
    for (std::size_t r = 0; r < kLanes; ++r) {
      row[r] = _mm512_setzero_si512();
      if (r >= rows) continue;
      const T* query = task.q + (first + r) * task.q_stride;
      const __m512 scale = _mm512_set1_ps(task.logit_scales[first + r] * task.qk_scale * kLog2E);
      const __m512 low = _mm512_mul_ps(scale, load_floats(query + c, low_mask));
      const __m512 high = _mm512_mul_ps(scale, load_floats(query + behind, high_mask));
      row[r] = reinterpret_cast<__m512i>(_mm512_cvtne2ps_pbh(high, low));
    }
    transpose(row, queries + c / 2 * kQueries, kQueries);
  }
}

/// The lanes whose queries attend to a key.
__mmask16 visible_lanes(const HeadShape& task, std::size_t key, std::size_t first_query) {
  const QueryRange visible = visible_queries(task, key, first_query, kLanes);
  return static_cast<__mmask16>(first_lanes(visible.end) & ~first_lanes(visible.begin));
}

/// bias[j − i] of 16 queries i, in units of log₂; 0 where there is no such key or query.
TREBLE_BF16_INLINE __m512 bias_of(const HeadShape& task, const BlockBuffers& w, std::size_t key,
                                  std::size_t first_query, std::size_t vector) {
  const __m512i reversed = _mm512_set_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
  const std::size_t query = first_query + vector * kLanes;
  if (key >= task.length || query >= task.length) return _mm512_setzero_ps();
  // Memory goes from the last query to the first: those that are not there come first.
  const auto missing = static_cast<std::size_t>(
      std::max<std::int64_t>(0, static_cast<std::int64_t>(query + kLanes) - static_cast<std::int64_t>(task.length)));
  const auto distance = static_cast<std::ptrdiff_t>(key) - static_cast<std::ptrdiff_t>(query + kLanes - 1);
  const auto there = static_cast<__mmask16>(~first_lanes(missing));
  const __m512 values = _mm512_permutexvar_ps(reversed, _mm512_maskz_loadu_ps(there, task.bias + distance));
  return _mm512_mul_ps(values, _mm512_loadu_ps(w.bias_scale + vector * kLanes));
}

/// A block of queries.
struct Block {
  std::size_t first;
  std::size_t rows;
};

/// Scores of kTile keys from `key`, into the block's scores; updates `block_max`.
template <std::size_t kVectors>
TREBLE_BF16_INLINE void score_tile(const HeadShape& task, const BlockBuffers& w, const Block& block, std::size_t key,
                                   float* scores, __m512* block_max) {
  __m512 sum[kTile][kVectors];
#pragma GCC unroll 8
  for (std::size_t r = 0; r < kTile; ++r) {
    for (std::size_t v = 0; v < kVectors; ++v) sum[r][v] = _mm512_setzero_ps();
  }
  const std::size_t pairs = task.head_dim / 2;
  const auto* keys = reinterpret_cast<const std::int32_t*>(w.keys + key * task.head_dim);
  const std::uint32_t* queries = w.queries;
  for (std::size_t c = 0; c < pairs; ++c, queries += kQueries) {
    __m512i query[kVectors];
    for (std::size_t v = 0; v < kVectors; ++v) query[v] = _mm512_loadu_si512(queries + v * kLanes);
#pragma GCC unroll 8
    for (std::size_t r = 0; r < kTile; ++r) {
      const __m512i one = _mm512_set1_epi32(keys[r * pairs + c]);
      for (std::size_t v = 0; v < kVectors; ++v) sum[r][v] = add_products(sum[r][v], query[v], one);
    }
  }
  // Unrolled, or the sums would go through memory.
  if (task.bias != nullptr) {
#pragma GCC unroll 8
    for (std::size_t r = 0; r < kTile; ++r) {
      for (std::size_t v = 0; v < kVectors; ++v) {
        sum[r][v] = _mm512_add_ps(sum[r][v], bias_of(task, w, key + r, block.first, v));
      }
    }
  }
  if (!fully_visible(task, block.first, block.rows, key, kTile)) {
    const __m512 hidden = _mm512_set1_ps(-std::numeric_limits<float>::infinity());
#pragma GCC unroll 8
    for (std::size_t r = 0; r < kTile; ++r) {
      for (std::size_t v = 0; v < kVectors; ++v) {
        sum[r][v] = _mm512_mask_mov_ps(hidden, visible_lanes(task, key + r, block.first + v * kLanes), sum[r][v]);
      }
    }
  }
#pragma GCC unroll 8
  for (std::size_t r = 0; r < kTile; ++r) {
    for (std::size_t v = 0; v < kVectors; ++v) {
      // The second of the two where one is NaN.
      block_max[v] = _mm512_max_ps(block_max[v], sum[r][v]);
      _mm512_storeu_ps(scores + r * kQueries + v * kLanes, sum[r][v]);
    }
  }
}

/// Scores become weights, two keys at a time and in their place; the running sum is rescaled to the new running
/// maximum.
template <std::size_t kVectors>
TREBLE_BF16 void softmax_block(const BlockBuffers& w, std::size_t keys, const __m512* block_max) {
  for (std::size_t v = 0; v < kVectors; ++v) {
    const std::size_t column = v * kLanes;
    const __m512 before = _mm512_loadu_ps(w.running_max + column);
    const __m512 shift = _mm512_max_ps(before, block_max[v]);
    SoftmaxWeights softmax(shift);
    const float* scores = w.scores + column;
    auto* weights = reinterpret_cast<std::uint32_t*>(w.scores) + column;
    for (std::size_t key = 0; key < keys; key += 2, scores += 2 * kQueries, weights += kQueries) {
      const __m512i pair = softmax.weights(_mm512_loadu_ps(scores), _mm512_loadu_ps(scores + kQueries));
      _mm512_storeu_si512(weights, pair);
    }
    const __m512 correction = exp2_of_negative(_mm512_sub_ps(before, shift));
    _mm512_storeu_ps(w.correction + column, correction);
    _mm512_storeu_ps(w.running_sum + column,
                     _mm512_fmadd_ps(_mm512_loadu_ps(w.running_sum + column), correction, softmax.sum()));
    _mm512_storeu_ps(w.running_max + column, shift);
  }
}

/// O[8 queries, kVectors vectors] = (O · correction, unless it is the first) + P V over pairs of keys.
template <std::size_t kVectors>
TREBLE_BF16_INLINE void value_tile(const BlockBuffers& w, const std::uint32_t* values, std::size_t pairs,
                                   std::size_t query, bool first, float* output) {
  __m512 sum[kTile][kVectors];
#pragma GCC unroll 8
  for (std::size_t r = 0; r < kTile; ++r) {
    const __m512 correction = _mm512_set1_ps(w.correction[query + r]);
    for (std::size_t v = 0; v < kVectors; ++v) {
      sum[r][v] = first ? _mm512_setzero_ps()
                        : _mm512_mul_ps(correction, _mm512_loadu_ps(output + r * w.padded_dim + v * kLanes));
    }
  }
  const auto* weights = reinterpret_cast<const std::int32_t*>(w.scores) + query;
  for (std::size_t pair = 0; pair < pairs; ++pair, weights += kQueries, values += w.padded_dim) {
    __m512i value[kVectors];
    for (std::size_t v = 0; v < kVectors; ++v) value[v] = _mm512_loadu_si512(values + v * kLanes);
#pragma GCC unroll 8
    for (std::size_t r = 0; r < kTile; ++r) {
      const __m512i weight = _mm512_set1_epi32(weights[r]);
      for (std::size_t v = 0; v < kVectors; ++v) sum[r][v] = add_products(sum[r][v], value[v], weight);
    }
  }
#pragma GCC unroll 8
  for (std::size_t r = 0; r < kTile; ++r) {
    for (std::size_t v = 0; v < kVectors; ++v) _mm512_storeu_ps(output + r * w.padded_dim + v * kLanes, sum[r][v]);
  }
}

TREBLE_BF16 void add_values(const BlockBuffers& w, std::size_t first_key, std::size_t keys, std::size_t rows,
                            bool first) {
  const std::uint32_t* values = w.values + first_key / 2 * w.padded_dim;
  for (std::size_t c = 0; c < w.padded_dim; c += 2 * kLanes) {
    for (std::size_t query = 0; query < rows; query += kTile) {
      float* output = w.output + query * w.padded_dim + c;
      if (w.padded_dim - c > kLanes) {
        value_tile<2>(w, values + c, keys / 2, query, first, output);
      } else {
        value_tile<1>(w, values + c, keys / 2, query, first, output);
      }
    }
  }
}

/// Prefetches the block's outputs for writing: their cache lines come from beyond the second-level cache or from
/// another core's.
template <typename T>
TREBLE_BF16 void prefetch_outputs_for_write(const BasicHeadTask<T>& task, const Block& block) {
  for (std::size_t row = block.first; row < block.first + block.rows; ++row) {
    for (std::size_t c = 0; c < task.head_dim; c += kCacheLine / sizeof(T)) {
      __builtin_prefetch(task.out + row * task.out_stride + c, 1);
    }
  }
}

template <std::size_t kVectors, typename T>
TREBLE_BF16 void attend_block(const BasicHeadTask<T>& task, const BlockBuffers& w, const Block& block) {
  prefetch_outputs_for_write(task, block);
  for (std::size_t v = 0; v < kVectors; ++v) {
    const std::size_t first = v * kLanes;
    pack_queries(task, block.first + first, block.rows - std::min(block.rows, first), w.queries + first);
  }
  std::fill_n(w.running_max, kQueries, kLowest);
  std::fill_n(w.running_sum, kQueries, 0.0F);
  for (std::size_t row = 0; row < block.rows && task.bias != nullptr; ++row) {
    w.bias_scale[row] = kLog2E * (task.temper_bias ? task.logit_scales[block.first + row] : 1.0F);
  }
  // Keys that no row of the block attends to are skipped; blocks begin where a tile does.
  const KeyRange visible = visible_keys(task, block.first, block.rows);
  const std::size_t begin = visible.begin - visible.begin % kTile;
  if (begin >= visible.end) std::fill_n(w.output, block.rows * w.padded_dim, 0.0F);
  for (std::size_t key = begin; key < visible.end; key += kKeyBlock) {
    const std::size_t keys = round_up(std::min(kKeyBlock, visible.end - key), kTile);
    __m512 block_max[kVectors];
    for (std::size_t v = 0; v < kVectors; ++v) block_max[v] = _mm512_set1_ps(kLowest);
    for (std::size_t tile = 0; tile < keys; tile += kTile) {
      score_tile<kVectors>(task, w, block, key + tile, w.scores + tile * kQueries, block_max);
    }
    softmax_block<kVectors>(w, keys, block_max);
    add_values(w, key, keys, block.rows, key == begin);
  }
  for (std::size_t row = 0; row < block.rows; ++row) {
    const __m512 factor = _mm512_set1_ps(inverse_sum(w.running_max[row], w.running_sum[row]));
    T* out = task.out + (block.first + row) * task.out_stride;
    for (std::size_t c = 0; c < task.head_dim; c += kLanes) {
      const __m512 values = _mm512_mul_ps(factor, _mm512_loadu_ps(w.output + row * w.padded_dim + c));
      store_floats(values, first_lanes(task.head_dim - c), out + c);
    }
  }
}

template <typename T>
void attend_head(const BasicHeadTask<T>& task) {
  const BlockBuffers w = place_buffers(task);
  pack_keys(task, w.keys);
  pack_values(task, w.padded_dim, w.values);
  for (std::size_t first = 0; first < task.length; first += kQueries) {
    const Block block{first, std::min(kQueries, task.length - first)};
    if (block.rows > kLanes) {
      attend_block<2>(task, w, block);
    } else {
      attend_block<1>(task, w, block);
    }
  }
}

}  // namespace

void attend_head_bfloat16(const HeadTask& task) { attend_head(task); }
void attend_head_bfloat16(const Bfloat16HeadTask& task) { attend_head(task); }

#else

void attend_head_bfloat16(const HeadTask&) {}
void attend_head_bfloat16(const Bfloat16HeadTask&) {}

#endif

}  // namespace treble::internal::simd
