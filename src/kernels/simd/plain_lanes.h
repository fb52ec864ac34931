// Avx512Lanes in plain C++, bit for bit (but for the payload of NaN), for tests on CPUs without it.
#pragma once

#include <array>
#include <bit>
#include <cfloat>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>

#include "kernels/simd/exp2_polynomial.h"

namespace treble::internal::simd {

/// Says nothing where Avx512Lanes says it.
struct PlainLanes {
  using V = std::array<float, 16>;
  using Mask = std::uint16_t;

  static V set(float x) {
    V v;
    v.fill(x);
    return v;
  }
  static V load(const float* from) { return load(from, 0xFFFF); }
  static V load(const float* from, Mask mask) {
    return make([&](std::size_t i) { return has(mask, i) ? from[i] : 0.0F; });
  }
  static void store(const V& x, float* to) { store_first(x, 16, to); }
  template <typename T>
  static void store_first(const V& x, std::size_t count, T* to) {
    for (std::size_t i = 0; i < 16 && i < count; ++i) write(x[i], to + i);
  }

  static V add(const V& a, const V& b) {
    return make([&](std::size_t i) { return a[i] + b[i]; });
  }
  static V sub(const V& a, const V& b) {
    return make([&](std::size_t i) { return a[i] - b[i]; });
  }
  static V mul(const V& a, const V& b) {
    return make([&](std::size_t i) { return a[i] * b[i]; });
  }
  static V mul_add(const V& a, const V& b, const V& c) {
    return make([&](std::size_t i) { return std::fma(a[i], b[i], c[i]); });
  }
  static V max(const V& a, const V& b) {
    return make([&](std::size_t i) { return greater_of(a[i], b[i]); });
  }
  static V select(Mask mask, const V& yes, const V& no) {
    return make([&](std::size_t i) { return has(mask, i) ? yes[i] : no[i]; });
  }
  static Mask greater(const V& a, const V& b) {
    unsigned mask = 0;
    for (std::size_t i = 0; i < 16; ++i) mask |= a[i] > b[i] ? 1U << i : 0U;
    return static_cast<Mask>(mask);
  }

  static V exp2(const V& x) {
    return make([&](std::size_t i) { return exp2(x[i]); });
  }
  static float sum(V x) {
    for (std::size_t half = 8; half > 0; half /= 2) {
      for (std::size_t i = 0; i < half; ++i) x[i] += x[i + half];
    }
    return x[0];
  }
  static float largest(V x) {
    for (std::size_t half = 8; half > 0; half /= 2) {
      for (std::size_t i = 0; i < half; ++i) x[i] = greater_of(x[i], x[i + half]);
    }
    return x[0];
  }

  static void store_bfloat16(const V& low, const V& high, std::uint16_t* to) {
    for (std::size_t i = 0; i < 16; ++i) {
      write(low[i], to + i);
      write(high[i], to + 16 + i);
    }
  }
  template <typename T>
  static void store_scaled(const T* from, std::size_t count, float scale, std::uint16_t* to) {
    for (std::size_t i = 0; i < 32; ++i) write(scale * (i < count ? read(from + i) : 0.0F), to + i);
  }
  static void store_row(const float* from, std::size_t count, std::uint16_t* to) {
    store_scaled(from, count, 1.0F, to);
  }
  static void store_row(const std::uint16_t* from, std::size_t count, std::uint16_t* to) {
    for (std::size_t i = 0; i < 32; ++i) to[i] = i < count ? from[i] : std::uint16_t{0};
  }
  template <typename T>
  static void store_pairs(const T* first, const T* second, std::size_t count, std::uint16_t* to) {
    for (std::size_t i = 0; i < 16; ++i) {
      to[2 * i] = i < count ? narrow(first + i) : std::uint16_t{0};
      to[2 * i + 1] = i < count && second != nullptr ? narrow(second + i) : std::uint16_t{0};
    }
  }
  static V squares_of_pairs(const std::uint16_t* pairs) {
    return make([&](std::size_t i) {
      const float even = read(pairs + 2 * i);
      const float odd = read(pairs + 2 * i + 1);
      return std::fma(odd, odd, even * even);
    });
  }
  static void transpose_pairs(const std::uint16_t* rows, std::uint16_t* to) {
    for (std::size_t r = 0; r < 16; ++r) {
      for (std::size_t c = 0; c < 16; ++c) {
        to[c * 32 + 2 * r] = rows[r * 32 + 2 * c];
        to[c * 32 + 2 * r + 1] = rows[r * 32 + 2 * c + 1];
      }
    }
  }

 private:
  template <typename Lane>
  static V make(const Lane& lane) {
    V v;
    for (std::size_t i = 0; i < 16; ++i) v[i] = lane(i);
    return v;
  }
  static bool has(Mask mask, std::size_t i) { return (mask >> i & 1) != 0; }
  /// b where one is NaN.
  static float greater_of(float a, float b) { return a > b ? a : b; }

  static float exp2(float x) {
    const float whole = std::floor(x);
    const float rest = std::isinf(x) ? 0.0F : difference_rounded_down(x, whole);
    float power = std::fma(kExp2Polynomial[3], rest, kExp2Polynomial[2]);
    power = std::fma(power, rest, kExp2Polynomial[1]);
    power = std::fma(power, rest, kExp2Polynomial[0]);
    if (std::isnan(x)) return power;
    // Beyond these it is 0 or infinite.
    return std::ldexp(power, static_cast<int>(std::fmin(std::fmax(whole, -300.0F), 300.0F)));
  }
  /// vreduceps takes the mode of its rounding to whole numbers for the subtraction too (seen on Zen 4).
  static float difference_rounded_down(float x, float whole) {
    const float rest = x - whole;
    // Only numbers just below 0 are rounded at all, and 1 comes of no other rounding.
    const bool up = rest == 1.0F || double{rest} > double{x} - double{whole};
    return up ? std::nextafter(rest, 0.0F) : rest;
  }

  static float read(const float* from) { return *from; }
  static float read(const std::uint16_t* from) { return std::bit_cast<float>(std::uint32_t{*from} << 16); }
  static void write(float x, float* to) { *to = x; }
  static void write(float x, std::uint16_t* to) { *to = narrow(&x); }
  static std::uint16_t narrow(const std::uint16_t* from) { return *from; }
  /// As VCVTNEPS2BF16: to the nearest, ties to even; denormal numbers become 0, NaN stays NaN.
  static std::uint16_t narrow(const float* from) {
    const auto bits = std::bit_cast<std::uint32_t>(*from);
    if (std::isnan(*from)) return static_cast<std::uint16_t>(bits >> 16 | 0x40U);
    if (std::abs(*from) < FLT_MIN) return static_cast<std::uint16_t>(bits >> 16 & 0x8000U);
    return static_cast<std::uint16_t>((bits + 0x7FFFU + (bits >> 16 & 1U)) >> 16);
  }
};

}  // namespace treble::internal::simd
