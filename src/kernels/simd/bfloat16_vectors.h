// Vectors of 16 numbers and of pairs of bfloat16, for attention in bfloat16: AVX512-BF16 and VBMI, x86-64 alone.
#pragma once

#include <immintrin.h>

#include <cstddef>
#include <cstdint>

#define TREBLE_BF16 __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx512bf16,avx512vbmi,prfchw")))
#define TREBLE_BF16_INLINE TREBLE_BF16 __attribute__((always_inline)) inline

namespace treble::internal::simd {

namespace {

constexpr std::size_t kLanes = 16;

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

/// 16 rows of 16 become columns, row r of the result at to + r · stride.
TREBLE_BF16_INLINE void transpose(const __m512i* row, std::uint32_t* to, std::size_t stride) {
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
    _mm512_storeu_si512(to + i * stride, _mm512_shuffle_i32x4(even0, even1, 0x88));
    _mm512_storeu_si512(to + (4 + i) * stride, _mm512_shuffle_i32x4(odd0, odd1, 0x88));
    _mm512_storeu_si512(to + (8 + i) * stride, _mm512_shuffle_i32x4(even0, even1, 0xDD));
    _mm512_storeu_si512(to + (12 + i) * stride, _mm512_shuffle_i32x4(odd0, odd1, 0xDD));
  }
}

}  // namespace

}  // namespace treble::internal::simd
