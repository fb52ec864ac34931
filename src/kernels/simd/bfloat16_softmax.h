// The exponentials of the softmax in bfloat16, for bfloat16_attention.cc.
#pragma once

#include <immintrin.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>

#include "kernels/simd/bfloat16_vectors.h"

namespace treble::internal::simd {

namespace {

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

}  // namespace

}  // namespace treble::internal::simd
