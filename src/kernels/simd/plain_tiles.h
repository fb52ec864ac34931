// AmxTiles in plain C++, bit for bit (but for the payload of NaN), for tests on CPUs without AMX.
#pragma once

#include <algorithm>
#include <bit>
#include <cfloat>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <stdexcept>

#include "kernels/simd/amx_tiles.h"

namespace treble::internal::simd {

/// Tiles of the calling thread. Where AMX would raise an exception of the CPU, because the thread has not configured
/// its tiles, this throws std::logic_error.
struct PlainTiles {
  static void configure() {
    state() = {};
    state().configured = true;
  }
  static void release() { state() = {}; }

  template <int kTile>
  static void zero() {
    tile(kTile) = {};
  }
  template <int kTile>
  static void load(const void* from, std::size_t stride) {
    for (std::size_t row = 0; row < kTileRows; ++row) {
      std::memcpy(tile(kTile).bytes[row], static_cast<const char*>(from) + row * stride, kTileRowBytes);
    }
  }
  template <int kTile>
  static void store(void* to, std::size_t stride) {
    for (std::size_t row = 0; row < kTileRows; ++row) {
      std::memcpy(static_cast<char*>(to) + row * stride, tile(kTile).bytes[row], kTileRowBytes);
    }
  }

  /// As TDPBF16PS of Intel's manual: sums over the even and over the odd elements, each by fused multiply-adds from 0
  /// on in the order of k, then their sum, then that added to C. Rounds to nearest even; denormal inputs and results
  /// are 0.
  template <int kC, int kA, int kB>
  static void dot_bfloat16() {
    const Factors factors(tile(kA), tile(kB));
    for (std::size_t m = 0; m < kTileRows; ++m) {
      float even[16] = {};
      float odd[16] = {};
      if (factors.exact) {
        factors.add_exact_products(m, even, odd);
      } else {
        factors.add_products(m, even, odd);
      }
      float sums[16];
      std::memcpy(sums, tile(kC).bytes[m], sizeof(sums));
      for (std::size_t n = 0; n < 16; ++n) sums[n] = flush(flush(sums[n]) + flush(even[n] + odd[n]));
      std::memcpy(tile(kC).bytes[m], sums, sizeof(sums));
    }
  }
  /// As TDPBSSD; sums wrap around.
  template <int kC, int kA, int kB>
  static void dot_int8() {
    const Tile& a = tile(kA);
    const Tile& b = tile(kB);
    for (std::size_t m = 0; m < kTileRows; ++m) {
      std::uint32_t sums[16];
      std::memcpy(sums, tile(kC).bytes[m], sizeof(sums));
      for (std::size_t k = 0; k < kTileRows; ++k) {
        for (std::size_t n = 0; n < 16; ++n) {
          for (std::size_t i = 0; i < 4; ++i) {
            const int product = std::int32_t{static_cast<std::int8_t>(a.bytes[m][4 * k + i])} *
                                std::int32_t{static_cast<std::int8_t>(b.bytes[k][4 * n + i])};
            sums[n] += static_cast<std::uint32_t>(product);
          }
        }
      }
      std::memcpy(tile(kC).bytes[m], sums, sizeof(sums));
    }
  }

 private:
  struct Tile {
    std::uint8_t bytes[kTileRows][kTileRowBytes];
  };
  struct State {
    bool configured = false;
    Tile tiles[8] = {};
  };

  static State& state() {
    thread_local State state;
    return state;
  }
  static Tile& tile(int index) {
    if (!state().configured) throw std::logic_error("a tile is used before configure()");
    return state().tiles[index];
  }

  static float flush(float x) { return std::abs(x) < FLT_MIN ? std::copysign(0.0F, x) : x; }

  /// Two tiles of bfloat16 as floats.
  struct Factors {
    Factors(const Tile& a, const Tile& b) {
      Range a_range;
      Range b_range;
      for (std::size_t row = 0; row < kTileRows; ++row) {
        for (std::size_t i = 0; i < 32; ++i) {
          left[row][i] = a_range.note(number(a, row, i));
          (i % 2 == 0 ? right_even : right_odd)[row][i / 2] = b_range.note(number(b, row, i));
        }
      }
      exact = a_range.minimum * b_range.minimum >= 0x1p-100 && a_range.maximum * b_range.maximum <= 0x1p120;
    }

    void add_exact_products(std::size_t m, float* even, float* odd) const {
      for (std::size_t k = 0; k < kTileRows; ++k) {
        for (std::size_t n = 0; n < 16; ++n) {
          even[n] += left[m][2 * k] * right_even[k][n];
          odd[n] += left[m][2 * k + 1] * right_odd[k][n];
        }
      }
    }
    void add_products(std::size_t m, float* even, float* odd) const {
      for (std::size_t k = 0; k < kTileRows; ++k) {
        for (std::size_t n = 0; n < 16; ++n) {
          even[n] = flush(std::fma(left[m][2 * k], right_even[k][n], even[n]));
          odd[n] = flush(std::fma(left[m][2 * k + 1], right_odd[k][n], odd[n]));
        }
      }
    }

    /// Of magnitudes other than 0; the maximum is infinite where one is not finite.
    struct Range {
      double minimum = std::numeric_limits<double>::infinity();
      double maximum = 0;

      float note(float x) {
        const double size = std::abs(double{x});
        if (size > 0) minimum = std::min(minimum, size);
        maximum = size < std::numeric_limits<double>::infinity() ? std::max(maximum, size)
                                                                 : std::numeric_limits<double>::infinity();
        return x;
      }
    };

    static float number(const Tile& tile, std::size_t row, std::size_t i) {
      std::uint16_t bits = 0;
      std::memcpy(&bits, tile.bytes[row] + 2 * i, sizeof(bits));
      return flush(std::bit_cast<float>(std::uint32_t{bits} << 16));
    }

    float left[16][32];
    float right_even[16][16];
    float right_odd[16][16];
    /// Products, of 16 binary digits, are exact in float32, and their sums are 0 or far above denormals: a fused
    /// multiply-add is then a multiplication and an addition, which the compiler turns into vectors.
    bool exact = false;
  };
};

}  // namespace treble::internal::simd
