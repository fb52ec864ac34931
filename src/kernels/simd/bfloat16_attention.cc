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
#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <numbers>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace treble::internal::simd {

#if defined(__x86_64__)

namespace {

#define TREBLE_BF16 __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx512bf16,avx512vbmi,prfchw")))
#define TREBLE_BF16_INLINE TREBLE_BF16 __attribute__((always_inline)) inline

constexpr std::size_t kLanes = 16;
constexpr std::size_t kCacheLine = 64;
constexpr std::size_t kTile = 8;
/// Prefetch distance in rows: a head's rows lie too far apart for the hardware prefetcher.
constexpr std::size_t kPrefetchRows = 8;
constexpr float kLog2E = std::numbers::log2e_v<float>;
constexpr float kLowest = std::numeric_limits<float>::lowest();

struct Workspace {
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

Workspace divide(const HeadShape& task) {
  Workspace w{};
  w.padded_dim = round_up(task.head_dim, kLanes);
  float* next = task.scratch;
  const auto take = [&next](std::size_t floats) {
    float* result = next;
    next += round_up(floats, kLanes);
    return result;
  };
  const std::size_t length = padded_length(task.length);
  w.keys = reinterpret_cast<std::uint16_t*>(take(length * task.head_dim / 2));
  w.values = reinterpret_cast<std::uint32_t*>(take(length / 2 * w.padded_dim));
  w.queries = reinterpret_cast<std::uint32_t*>(take(w.padded_dim / 2 * kQueries + kLanes * kQueries));
  w.scores = take(kKeyBlock * kQueries);
  w.output = take(kQueries * w.padded_dim);
  w.running_max = take(kQueries);
  w.running_sum = take(kQueries);
  w.correction = take(kQueries);
  w.bias_scale = take(kQueries);
  return w;
}

/// The first `count` lanes; all of them from 16 up.
__mmask16 first_lanes(std::size_t count) {
  return static_cast<__mmask16>(count >= kLanes ? 0xFFFFU : (1U << count) - 1U);
}

/// Interleaves 16 numbers of `low` and of `high`: pairs of bfloat16.
TREBLE_BF16_INLINE __m512i pairs_of(__m512 low, __m512 high) {
  const __m512i order =
      _mm512_set_epi32(0x001F000F, 0x001E000E, 0x001D000D, 0x001C000C, 0x001B000B, 0x001A000A, 0x00190009, 0x00180008,
                       0x00170007, 0x00160006, 0x00150005, 0x00140004, 0x00130003, 0x00120002, 0x00110001, 0x00100000);
  return _mm512_permutexvar_epi16(order, reinterpret_cast<__m512i>(_mm512_cvtne2ps_pbh(high, low)));
}

TREBLE_BF16_INLINE __m512 add_products(__m512 sum, __m512i a, __m512i b) {
  return _mm512_dpbf16_ps(sum, reinterpret_cast<__m512bh>(a), reinterpret_cast<__m512bh>(b));
}

TREBLE_BF16_INLINE __m512 widen(__m256i bf16) {
  return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(bf16), 16));
}

/// Up to 16 numbers; zeros behind them.
TREBLE_BF16_INLINE __m512 load_floats(const float* from, __mmask16 mask) { return _mm512_maskz_loadu_ps(mask, from); }
TREBLE_BF16_INLINE __m512 load_floats(const std::uint16_t* from, __mmask16 mask) {
  return widen(_mm256_maskz_loadu_epi16(mask, from));
}

TREBLE_BF16_INLINE __m256i load_bf16(const float* from, __mmask16 mask) {
  return reinterpret_cast<__m256i>(_mm512_cvtneps_pbh(_mm512_maskz_loadu_ps(mask, from)));
}
TREBLE_BF16_INLINE __m256i load_bf16(const std::uint16_t* from, __mmask16 mask) {
  return _mm256_maskz_loadu_epi16(mask, from);
}

TREBLE_BF16_INLINE void store_floats(__m512 values, __mmask16 mask, float* to) {
  _mm512_mask_storeu_ps(to, mask, values);
}
TREBLE_BF16_INLINE void store_floats(__m512 values, __mmask16 mask, std::uint16_t* to) {
  _mm256_mask_storeu_epi16(to, mask, reinterpret_cast<__m256i>(_mm512_cvtneps_pbh(values)));
}

/// Numbers of two rows side by side, as bfloat16; a null pointer is a row of zeros.
TREBLE_BF16_INLINE __m512i load_pairs(const float* first, const float* second, __mmask16 mask) {
  const __m512 high = second != nullptr ? load_floats(second, mask) : _mm512_setzero_ps();
  return pairs_of(load_floats(first, mask), high);
}
TREBLE_BF16_INLINE __m512i load_pairs(const std::uint16_t* first, const std::uint16_t* second, __mmask16 mask) {
  const __m512i low = _mm512_cvtepu16_epi32(load_bf16(first, mask));
  if (second == nullptr) return low;
  return _mm512_or_si512(low, _mm512_slli_epi32(_mm512_cvtepu16_epi32(load_bf16(second, mask)), 16));
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

/// 16 rows of 16 become columns, row r of the result at to + r · kQueries.
TREBLE_BF16_INLINE void transpose(const __m512i* row, std::uint32_t* to) {
  __m512i pair[16];
  __m512i quad[16];
#pragma GCC unroll 8
  for (std::size_t i = 0; i < 16; i += 2) {
    pair[i] = _mm512_unpacklo_epi32(row[i], row[i + 1]);
    pair[i + 1] = _mm512_unpackhi_epi32(row[i], row[i + 1]);
  }
#pragma GCC unroll 4
  for (std::size_t i = 0; i < 16; i += 4) {
    quad[i] = _mm512_unpacklo_epi64(pair[i], pair[i + 2]);
    quad[i + 1] = _mm512_unpackhi_epi64(pair[i], pair[i + 2]);
    quad[i + 2] = _mm512_unpacklo_epi64(pair[i + 1], pair[i + 3]);
    quad[i + 3] = _mm512_unpackhi_epi64(pair[i + 1], pair[i + 3]);
  }
#pragma GCC unroll 4
  for (std::size_t i = 0; i < 4; ++i) {
    const __m512i even0 = _mm512_shuffle_i32x4(quad[i], quad[4 + i], 0x88);
    const __m512i even1 = _mm512_shuffle_i32x4(quad[8 + i], quad[12 + i], 0x88);
    const __m512i odd0 = _mm512_shuffle_i32x4(quad[i], quad[4 + i], 0xDD);
    const __m512i odd1 = _mm512_shuffle_i32x4(quad[8 + i], quad[12 + i], 0xDD);
    _mm512_storeu_si512(to + i * kQueries, _mm512_shuffle_i32x4(even0, even1, 0x88));
    _mm512_storeu_si512(to + (4 + i) * kQueries, _mm512_shuffle_i32x4(odd0, odd1, 0x88));
    _mm512_storeu_si512(to + (8 + i) * kQueries, _mm512_shuffle_i32x4(even0, even1, 0xDD));
    _mm512_storeu_si512(to + (12 + i) * kQueries, _mm512_shuffle_i32x4(odd0, odd1, 0xDD));
  }
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
    transpose(row, queries + c / 2 * kQueries);
  }
}

/// 2^x for x ≤ 0, relative error 7.5e-5. Below 2⁻¹²⁶ it is 2⁻¹²⁶; NaN
/// stays NaN. Minimax polynomial on [−½, ½].
TREBLE_BF16_INLINE __m512 exp2_of_negative(__m512 x) {
  x = _mm512_max_ps(_mm512_set1_ps(-126.0F), x);
  const __m512 whole = _mm512_roundscale_ps(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
  const __m512 r = _mm512_sub_ps(x, whole);
  __m512 power = _mm512_set1_ps(0.05517167F);
  power = _mm512_fmadd_ps(power, r, _mm512_set1_ps(0.24261114F));
  power = _mm512_fmadd_ps(power, r, _mm512_set1_ps(0.69326097F));
  power = _mm512_fmadd_ps(power, r, _mm512_set1_ps(0.99992806F));
  return _mm512_scalef_ps(power, whole);
}

/// The lanes whose queries attend to a key.
__mmask16 visible_lanes(const HeadShape& task, std::size_t key, std::size_t first_query) {
  const auto first = static_cast<std::int64_t>(first_query);
  const auto j = static_cast<std::int64_t>(key);
  if (key >= task.length) return 0;
  const std::int64_t low = std::max<std::int64_t>(0, j - static_cast<std::int64_t>(task.window_right) - first);
  const std::int64_t high = std::min<std::int64_t>(kLanes, j + static_cast<std::int64_t>(task.window_left) - first + 1);
  if (low >= high) return 0;
  return static_cast<__mmask16>(first_lanes(static_cast<std::size_t>(high)) &
                                ~first_lanes(static_cast<std::size_t>(low)));
}

/// Whether every query of the block attends to all keys of a tile.
bool fully_visible(const HeadShape& task, std::size_t first_query, std::size_t queries, std::size_t key) {
  const std::size_t last_key = key + kTile - 1;
  return last_key < task.length && last_key <= first_query + task.window_right &&
         first_query + queries - 1 <= key + task.window_left;
}

/// bias[j − i] of 16 queries i, in units of log₂; 0 where there is no such key or query.
TREBLE_BF16_INLINE __m512 bias_of(const HeadShape& task, const Workspace& w, std::size_t key, std::size_t first_query,
                                  std::size_t vector) {
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
TREBLE_BF16_INLINE void score_tile(const HeadShape& task, const Workspace& w, const Block& block, std::size_t key,
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
  if (!fully_visible(task, block.first, block.rows, key)) {
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

/// What a bfloat16's seven bits of mantissa f lie above those of 2^(f/128).
constexpr std::array<std::uint8_t, 128> mantissa_excess() {
  std::array<std::uint8_t, 128> excess = {};
  double power = 1;  // 2^(f/128)
  for (int f = 0; f < 128; ++f, power *= 1.0054299011128028) {
    excess[static_cast<std::size_t>(f)] = static_cast<std::uint8_t>(f - static_cast<int>(128 * (power - 1) + 0.5));
  }
  return excess;
}

/// Words 0, 2, 4 … of two vectors, interleaved.
constexpr std::array<std::uint16_t, 32> low_words() {
  std::array<std::uint16_t, 32> words = {};
  for (std::uint16_t i = 0; i < 32; i += 2) {
    words[i] = i;
    words[i + 1U] = static_cast<std::uint16_t>(32 + i);
  }
  return words;
}

/// bfloat16 weights 2^x of 16 queries for two keys at a time, x being rounded to 128ths: as accurate as bfloat16
/// itself.
class SoftmaxWeights {
 public:
  TREBLE_BF16_INLINE explicit SoftmaxWeights(__m512 shift) : shift_(shift) {}

  /// [query][2 keys]
  TREBLE_BF16_INLINE __m512i weights(__m512 low, __m512 high) {
    const __m512 low_number = place(low);
    const __m512 high_number = place(high);
    number_bits_ = _mm512_or_si512(number_bits_,
                                   _mm512_or_si512(_mm512_castps_si512(low_number), _mm512_castps_si512(high_number)));
    const __m512i number = _mm512_permutex2var_epi16(
        _mm512_castps_si512(low_number), _mm512_loadu_si512(kLowWords.data()), _mm512_castps_si512(high_number));
    const __m512i excess =
        _mm512_maskz_permutex2var_epi8(0x5555555555555555U, _mm512_loadu_si512(kExcess.data()), number,
                                       _mm512_loadu_si512(kExcess.data() + kExcess.size() / 2));
    const __m512i weights = _mm512_sub_epi16(number, excess);
    sum_ = add_products(sum_, weights, _mm512_set1_epi16(kOne));
    return weights;
  }

  /// Of all weights; NaN where a score was.
  TREBLE_BF16_INLINE __m512 sum() const {
    const __m512i exponent = _mm512_set1_epi32(0x7F800000);
    const __mmask16 poisoned = _mm512_cmpeq_epi32_mask(_mm512_and_si512(number_bits_, exponent), exponent);
    return _mm512_mask_mov_ps(sum_, poisoned, _mm512_set1_ps(std::numeric_limits<float>::quiet_NaN()));
  }

 private:
  static constexpr short kOne = 0x3F80;
  static constexpr std::array<std::uint8_t, 128> kExcess = mantissa_excess();
  static constexpr std::array<std::uint16_t, 32> kLowWords = low_words();

  /// A number whose lower half of bits is (x + 127) · 128: the bits of bfloat16 2^x, if 2^x were linear between whole
  /// x. Below 2⁻¹²⁶ it is 2⁻¹²⁶.
  TREBLE_BF16_INLINE __m512 place(__m512 score) const {
    const __m512 x = _mm512_max_ps(_mm512_set1_ps(-126.0F), _mm512_sub_ps(score, shift_));
    // A multiplication by 1 for the execution ports that the subtractions leave idle.
    return _mm512_fmadd_ps(x, _mm512_set1_ps(1.0F), _mm512_set1_ps(98304.0F + 127.0F));
  }

  __m512 shift_;
  __m512 sum_ = _mm512_setzero_ps();
  __m512i number_bits_ = _mm512_setzero_si512();  ///< bits of all numbers: an exponent of ones is that of NaN
};

/// Scores become weights, two keys at a time and in their place; the running sum is rescaled to the new running
/// maximum.
template <std::size_t kVectors>
TREBLE_BF16 void softmax_block(const Workspace& w, std::size_t keys, const __m512* block_max) {
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
TREBLE_BF16_INLINE void value_tile(const Workspace& w, const std::uint32_t* values, std::size_t pairs,
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

TREBLE_BF16 void add_values(const Workspace& w, std::size_t first_key, std::size_t keys, std::size_t rows, bool first) {
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
TREBLE_BF16 void attend_block(const BasicHeadTask<T>& task, const Workspace& w, const Block& block) {
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
    const __m512 factor = _mm512_set1_ps(1.0F / w.running_sum[row]);
    T* out = task.out + (block.first + row) * task.out_stride;
    for (std::size_t c = 0; c < task.head_dim; c += kLanes) {
      const __m512 values = _mm512_mul_ps(factor, _mm512_loadu_ps(w.output + row * w.padded_dim + c));
      store_floats(values, first_lanes(task.head_dim - c), out + c);
    }
  }
}

template <typename T>
void attend_head(const BasicHeadTask<T>& task) {
  const Workspace w = divide(task);
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

std::size_t bfloat16_scratch_floats(std::size_t length, std::size_t head_dim) {
  const std::size_t padded_dim = round_up(head_dim, kLanes);
  const std::size_t packed = padded_length(length) / 2 * (head_dim + padded_dim);
  const std::size_t block = kQueries * (padded_dim / 2 + kLanes + kKeyBlock + padded_dim + 4);
  return packed + block + 9 * kLanes;
}

void attend_head_bfloat16(const HeadTask& task) { attend_head(task); }
void attend_head_bfloat16(const Bfloat16HeadTask& task) { attend_head(task); }

#else

std::size_t bfloat16_scratch_floats(std::size_t, std::size_t) { return 0; }

void attend_head_bfloat16(const HeadTask&) {}
void attend_head_bfloat16(const Bfloat16HeadTask&) {}

#endif

}  // namespace treble::internal::simd
