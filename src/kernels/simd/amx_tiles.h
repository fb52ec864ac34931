// The tiles of Intel AMX: eight registers of 16 rows of 64 bytes, and products of two that are added to a third. x86-64
// alone, and only where cpu_features().amx.
// In assembly: GCC 12's intrinsics paste a tile's number into text, where no template argument can go, and do not say
// that they read and write memory, so that a store may move behind the load that needs it.
#pragma once

#include <cstddef>
#include <cstdint>

namespace treble::internal::simd {

/// Rows of a tile, and elements of 32 bits of a row.
inline constexpr std::size_t kTileRows = 16;
inline constexpr std::size_t kTileRowBytes = 64;
inline constexpr std::size_t kTileBytes = kTileRows * kTileRowBytes;

/// What ldtilecfg reads: palette 1, eight whole tiles.
struct alignas(64) TilePalette {
  std::uint8_t palette = 1;
  std::uint8_t start_row = 0;
  std::uint8_t reserved[14] = {};
  std::uint16_t row_bytes[16] = {64, 64, 64, 64, 64, 64, 64, 64};
  std::uint8_t rows[16] = {16, 16, 16, 16, 16, 16, 16, 16};
};
static_assert(sizeof(TilePalette) == 64);
inline constexpr TilePalette kTilePalette = {};

/// What a kernel is written over; PlainTiles has the same members for every CPU. Tiles are numbered 0 to 7 by template
/// arguments, as the instructions hold the numbers.
struct AmxTiles {
  /// Gives this thread its tiles, all zero; takes some 250 cycles, and 350 more before the first
  /// product (Emerald Rapids), so once for many heads.
  static void configure() { asm volatile("ldtilecfg %0" : : "m"(kTilePalette)); }
  /// Afterwards the thread has no tiles, and the operating system none to save.
  static void release() { asm volatile("tilerelease" : : : "memory"); }

  template <int kTile>
  static void zero() {
    asm volatile("tilezero %%tmm%c0" : : "i"(kTile));
  }
  /// Rows of 64 bytes, `stride` bytes from one to the next.
  template <int kTile>
  static void load(const void* from, std::size_t stride) {
    asm volatile("tileloadd (%0,%1,1), %%tmm%c2" : : "r"(from), "r"(stride), "i"(kTile) : "memory");
  }
  template <int kTile>
  static void store(void* to, std::size_t stride) {
    asm volatile("tilestored %%tmm%c2, (%0,%1,1)" : : "r"(to), "r"(stride), "i"(kTile) : "memory");
  }

  /// C[m][n] += Σ_k A[m][2k] B[k][2n] + Σ_k A[m][2k + 1] B[k][2n + 1]; A and B bfloat16, C float32, 0 ≤ k, m, n < 16.
  template <int kC, int kA, int kB>
  static void dot_bfloat16() {
    asm volatile("tdpbf16ps %%tmm%c2, %%tmm%c1, %%tmm%c0" : : "i"(kC), "i"(kA), "i"(kB));
  }
  /// C[m][n] += Σ_k Σ_i A[m][4k + i] B[k][4n + i]; A and B int8, C int32, 0 ≤ i < 4.
  template <int kC, int kA, int kB>
  static void dot_int8() {
    asm volatile("tdpbssd %%tmm%c2, %%tmm%c1, %%tmm%c0" : : "i"(kC), "i"(kA), "i"(kB));
  }
};

}  // namespace treble::internal::simd
