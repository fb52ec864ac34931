// 16 floats in a register of AVX-512, with what attention in tiles does to them: x86-64 alone, AVX512-BF16 and VBMI.
#pragma once

#include <immintrin.h>

#include <cstddef>
#include <cstdint>

#include "kernels/simd/bfloat16_vectors.h"
#include "kernels/simd/exp2_polynomial.h"

namespace treble::internal::simd {

/// What a kernel is written over; PlainLanes has the same members for every CPU.
struct Avx512Lanes {
  using V = __m512;
  using Mask = std::uint16_t;

  TREBLE_BF16_INLINE static V set(float x) { return _mm512_set1_ps(x); }
  TREBLE_BF16_INLINE static V load(const float* from) { return _mm512_loadu_ps(from); }
  /// Touches what the mask names and nothing else; 0 elsewhere.
  TREBLE_BF16_INLINE static V load(const float* from, Mask mask) { return _mm512_maskz_loadu_ps(mask, from); }
  TREBLE_BF16_INLINE static void store(V x, float* to) { _mm512_storeu_ps(to, x); }
  /// The first `count` lanes, from 16 up all of them.
  template <typename T>
  TREBLE_BF16_INLINE static void store_first(V x, std::size_t count, T* to) {
    store_floats(x, first_lanes(count), to);
  }

  TREBLE_BF16_INLINE static V add(V a, V b) { return _mm512_add_ps(a, b); }
  TREBLE_BF16_INLINE static V sub(V a, V b) { return _mm512_sub_ps(a, b); }
  TREBLE_BF16_INLINE static V mul(V a, V b) { return _mm512_mul_ps(a, b); }
  /// a · b + c, rounded once.
  TREBLE_BF16_INLINE static V mul_add(V a, V b, V c) { return _mm512_fmadd_ps(a, b, c); }
  /// b where one is NaN.
  TREBLE_BF16_INLINE static V max(V a, V b) { return _mm512_max_ps(a, b); }
  TREBLE_BF16_INLINE static V select(Mask mask, V yes, V no) { return _mm512_mask_mov_ps(no, mask, yes); }
  /// Not where one is NaN.
  TREBLE_BF16_INLINE static Mask greater(V a, V b) { return _mm512_cmp_ps_mask(a, b, _CMP_GT_OQ); }

  /// 2^x, relative error 1e-4, and +∞ from 128 up; NaN stays NaN.
  TREBLE_BF16_INLINE static V exp2(V x) {
    // Half a cycle each on Golden Cove, as is the scaling, which rounds x down too.
    const V rest = _mm512_reduce_ps(x, _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC);
    V power = mul_add(set(kExp2Polynomial[3]), rest, set(kExp2Polynomial[2]));
    power = mul_add(power, rest, set(kExp2Polynomial[1]));
    power = mul_add(power, rest, set(kExp2Polynomial[0]));
    return _mm512_scalef_ps(power, x);
  }

  /// Of all lanes: halves are added until one is left.
  TREBLE_BF16_INLINE static float sum(V x) {
    x = add(x, _mm512_shuffle_f32x4(x, x, 0x4E));
    x = add(x, _mm512_shuffle_f32x4(x, x, 0xB1));
    x = add(x, _mm512_shuffle_ps(x, x, 0x4E));
    return _mm512_cvtss_f32(add(x, _mm512_shuffle_ps(x, x, 0xB1)));
  }
  /// Likewise.
  TREBLE_BF16_INLINE static float largest(V x) {
    x = max(x, _mm512_shuffle_f32x4(x, x, 0x4E));
    x = max(x, _mm512_shuffle_f32x4(x, x, 0xB1));
    x = max(x, _mm512_shuffle_ps(x, x, 0x4E));
    return _mm512_cvtss_f32(max(x, _mm512_shuffle_ps(x, x, 0xB1)));
  }

  /// 32 numbers as bfloat16, those of `low` first.
  TREBLE_BF16_INLINE static void store_bfloat16(V low, V high, std::uint16_t* to) {
    _mm512_storeu_si512(to, reinterpret_cast<__m512i>(_mm512_cvtne2ps_pbh(high, low)));
  }
  /// 32 numbers of a row, of which `count` are there, as bfloat16 and times `scale`.
  template <typename T>
  TREBLE_BF16_INLINE static void store_scaled(const T* from, std::size_t count, float scale, std::uint16_t* to) {
    const std::size_t rest = count > kLanes ? count - kLanes : 0;
    const V low = load_floats(from, first_lanes(count));
    const V high = rest == 0 ? set(0) : load_floats(from + kLanes, first_lanes(rest));
    store_bfloat16(mul(set(scale), low), mul(set(scale), high), to);
  }
  /// As they are.
  TREBLE_BF16_INLINE static void store_row(const float* from, std::size_t count, std::uint16_t* to) {
    store_scaled(from, count, 1.0F, to);
  }
  TREBLE_BF16_INLINE static void store_row(const std::uint16_t* from, std::size_t count, std::uint16_t* to) {
    const std::uint32_t mask = count >= 2 * kLanes ? ~0U : (1U << count) - 1U;
    _mm512_storeu_si512(to, _mm512_maskz_loadu_epi16(mask, from));
  }
  /// 16 numbers of two rows in turn, of which `count` are there; no second row: zeros.
  template <typename T>
  TREBLE_BF16_INLINE static void store_pairs(const T* first, const T* second, std::size_t count, std::uint16_t* to) {
    _mm512_storeu_si512(to, load_pairs(first, second, first_lanes(count)));
  }
  /// Of 16 pairs of bfloat16: the sum of both squares.
  TREBLE_BF16_INLINE static V squares_of_pairs(const std::uint16_t* pairs) {
    const __m512i bits = _mm512_loadu_si512(pairs);
    const V even = _mm512_castsi512_ps(_mm512_slli_epi32(bits, 16));
    const V odd = _mm512_castsi512_ps(_mm512_and_si512(bits, _mm512_set1_epi32(static_cast<int>(0xFFFF0000U))));
    return mul_add(odd, odd, mul(even, even));
  }
  /// 16 rows of 16 pairs become columns.
  TREBLE_BF16_INLINE static void transpose_pairs(const std::uint16_t* rows, std::uint16_t* to) {
    __m512i row[16];
#pragma GCC unroll 16
    for (std::size_t r = 0; r < 16; ++r) row[r] = _mm512_loadu_si512(rows + r * 32);
    transpose(row, reinterpret_cast<std::uint32_t*>(to), kLanes);
  }
};

}  // namespace treble::internal::simd
