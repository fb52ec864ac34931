// A register tile is some rows x one panel of outputs in two vectors, accumulated in registers. A step takes 4 inputs:
// their values, broadcast, times the weights'. AVX2: 4 rows x 16 outputs; products in pairs (vpmaddubsw, 16 bits, which
// int8_range() keeps from saturating), pairs added up in 32 bits (vpmaddwd by ones). AVX-512 with VNNI: 8 rows x 32
// outputs, one instruction. Written for these two and not with Highway, whose 1.0 has neither vpmaddubsw nor vpdpbusd.
#include "kernels/simd/int8_gemm.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include "kernels/simd/scratch_arena.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace treble::internal::simd {

namespace {

constexpr std::size_t kStep = 4;  ///< inputs
constexpr std::int64_t kAvx2Panel = 16;
constexpr std::int64_t kVnniPanel = 32;

}  // namespace

Int8Gemm::Int8Gemm(Int8Isa isa, std::int64_t in, std::int64_t out, std::span<const std::int8_t> codes)
    : isa_(isa), panel_(isa == Int8Isa::avx2 ? kAvx2Panel : kVnniPanel), in_(in) {
  const auto inputs = static_cast<std::size_t>(in);
  const auto outputs = static_cast<std::size_t>(out);
  const auto width = static_cast<std::size_t>(panel_);
  const std::size_t panels = (outputs + width - 1) / width;
  panels_ = WeightMemory(panels * width * inputs);
  std::byte* next = panels_.data();
  for (std::size_t first = 0; first < panels * width; first += width) {
    for (std::size_t input = 0; input < inputs; input += kStep) {
      for (std::size_t output = first; output < first + width; ++output, next += kStep) {
        if (output < outputs) {
          std::memcpy(next, codes.data() + output * inputs + input, kStep);
        } else {
          std::memset(next, 0, kStep);
        }
      }
    }
  }
}

std::int64_t Int8Gemm::place(std::int64_t output, std::int64_t input) const {
  const std::int64_t panel = output / panel_;
  return panel * panel_ * in_ + input * panel_ + output % panel_ * static_cast<std::int64_t>(kStep);
}

void Int8Gemm::read_codes(std::int64_t output, std::int64_t first, std::span<std::int8_t> codes) const {
  const std::byte* from = panels_.data() + place(output, first);
  const std::int64_t step = panel_ * static_cast<std::int64_t>(kStep);
  for (std::size_t i = 0; i < codes.size(); i += kStep, from += step) std::memcpy(codes.data() + i, from, kStep);
}

void Int8Gemm::write_codes(std::int64_t output, std::int64_t first, std::span<const std::int8_t> codes) {
  std::byte* to = panels_.data() + place(output, first);
  const std::int64_t step = panel_ * static_cast<std::int64_t>(kStep);
  for (std::size_t i = 0; i < codes.size(); i += kStep, to += step) std::memcpy(to, codes.data() + i, kStep);
}

#if defined(__x86_64__)

namespace {

/// Some rows of x and y, with their quantization parameters. Y is float or the bits of a bfloat16.
template <typename Y>
struct Tile {
  const std::uint8_t* x;
  std::size_t x_stride;
  const RowQuantParams* rows;
  Y* y;
  std::size_t y_stride;
};

/// The columns of one panel.
struct Panel {
  const std::int8_t* weights;
  std::size_t inputs;
  const float* scale;
  const float* offset;
  const float* sum;
  const float* bias;
};

inline std::int32_t four_codes(const std::uint8_t* codes) {
  std::int32_t four;
  std::memcpy(&four, codes, sizeof(four));
  return four;
}

/// Prefetches the outputs' cache lines when a tile begins: they come from beyond the first-level cache, or from another
/// core's, and the stores at its end would wait for them. For writing: a read prefetch would leave the line shared, and
/// the store would have to invalidate the other core's copy.
template <std::size_t kRows, std::size_t kWidth, typename Y>
__attribute__((target("prfchw"))) inline void prefetch_outputs_for_write(const Tile<Y>& tile) {
  for (std::size_t r = 0; r < kRows; ++r) {
    for (std::size_t c = 0; c < kWidth; c += kCacheLine / sizeof(Y)) {
      __builtin_prefetch(tile.y + r * tile.y_stride + c, 1);
    }
  }
}

#define TREBLE_AVX2 __attribute__((target("avx2,fma,prfchw")))

struct Avx2 {
  static constexpr std::size_t kWidth = kAvx2Panel;
  static constexpr std::size_t kRows = 4;

  /// sums += Σ of four products a column.
  TREBLE_AVX2 static __m256i add_products(__m256i sums, __m256i codes, __m256i weights) {
    const __m256i pairs = _mm256_maddubs_epi16(codes, weights);
    return _mm256_add_epi32(sums, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
  }

  /// Eight columns from `column` of one row.
  template <bool kAccumulate>
  TREBLE_AVX2 static void store(__m256i sums, const RowQuantParams& row, const Panel& panel, std::size_t column,
                                float* y) {
    const __m256 scale = _mm256_mul_ps(_mm256_set1_ps(row.scale), _mm256_loadu_ps(panel.scale + column));
    __m256 shift = _mm256_fmadd_ps(_mm256_set1_ps(row.total), _mm256_loadu_ps(panel.offset + column),
                                   _mm256_loadu_ps(panel.bias + column));
    shift = _mm256_fmadd_ps(_mm256_set1_ps(row.offset), _mm256_loadu_ps(panel.sum + column), shift);
    __m256 value = _mm256_fmadd_ps(_mm256_cvtepi32_ps(sums), scale, shift);
    if (kAccumulate) value = _mm256_add_ps(value, _mm256_loadu_ps(y + column));
    _mm256_storeu_ps(y + column, value);
  }

  template <std::size_t kCount, bool kAccumulate>
  TREBLE_AVX2 static void multiply(const Tile<float>& tile, const Panel& panel) {
    __m256i low[kCount];
    __m256i high[kCount];
    prefetch_outputs_for_write<kCount, kWidth>(tile);
    for (std::size_t r = 0; r < kCount; ++r) low[r] = high[r] = _mm256_setzero_si256();
    const auto* weights = reinterpret_cast<const __m256i*>(panel.weights);
    for (std::size_t input = 0; input < panel.inputs; input += kStep, weights += 2) {
      const __m256i weights_low = _mm256_loadu_si256(weights);
      const __m256i weights_high = _mm256_loadu_si256(weights + 1);
#pragma GCC unroll 4
      for (std::size_t r = 0; r < kCount; ++r) {
        const __m256i codes = _mm256_set1_epi32(four_codes(tile.x + r * tile.x_stride + input));
        low[r] = add_products(low[r], codes, weights_low);
        high[r] = add_products(high[r], codes, weights_high);
      }
    }
    for (std::size_t r = 0; r < kCount; ++r) {
      store<kAccumulate>(low[r], tile.rows[r], panel, 0, tile.y + r * tile.y_stride);
      store<kAccumulate>(high[r], tile.rows[r], panel, kWidth / 2, tile.y + r * tile.y_stride);
    }
  }
};

#define TREBLE_VNNI __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,prfchw")))

struct Avx512Vnni {
  static constexpr std::size_t kWidth = kVnniPanel;
  /// GCC 12 copies and spills the sums of more.
  static constexpr std::size_t kRows = 8;

  /// Sixteen columns. Loaded once a tile, as the compiler cannot rule out that y aliases them.
  struct Columns {
    __m512 scale;
    __m512 offset;
    __m512 sum;
    __m512 bias;
  };

  TREBLE_VNNI static Columns load(const Panel& panel, std::size_t column) {
    return {_mm512_loadu_ps(panel.scale + column), _mm512_loadu_ps(panel.offset + column),
            _mm512_loadu_ps(panel.sum + column), _mm512_loadu_ps(panel.bias + column)};
  }

  TREBLE_VNNI static __m512 dequantize(__m512i sums, const RowQuantParams& row, const Columns& columns) {
    const __m512 scale = _mm512_mul_ps(_mm512_set1_ps(row.scale), columns.scale);
    __m512 shift = _mm512_fmadd_ps(_mm512_set1_ps(row.total), columns.offset, columns.bias);
    shift = _mm512_fmadd_ps(_mm512_set1_ps(row.offset), columns.sum, shift);
    return _mm512_fmadd_ps(_mm512_cvtepi32_ps(sums), scale, shift);
  }

  template <bool kAccumulate>
  TREBLE_VNNI static void store(__m512 value, float* y) {
    if (kAccumulate) value = _mm512_add_ps(value, _mm512_loadu_ps(y));
    _mm512_storeu_ps(y, value);
  }

  template <bool kAccumulate>
  TREBLE_VNNI static void store(__m512 value, std::uint16_t* y) {
    static_assert(!kAccumulate);
    // As the target of AVX512-BF16 this could not be inlined where VNNI alone is promised.
    __m256i bf16;
    asm("vcvtneps2bf16 %1, %0" : "=v"(bf16) : "v"(value));
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(y), bf16);
  }

  template <std::size_t kCount, bool kAccumulate, typename Y>
  TREBLE_VNNI static void multiply(const Tile<Y>& tile, const Panel& panel) {
    __m512i low[kCount];
    __m512i high[kCount];
    prefetch_outputs_for_write<kCount, kWidth>(tile);
#pragma GCC unroll 8
    for (std::size_t r = 0; r < kCount; ++r) low[r] = high[r] = _mm512_setzero_si512();
    const std::int8_t* weights = panel.weights;
    // Prefetches the next panel's weights into the second-level cache.
    const std::size_t next = panel.inputs * kWidth;
    for (std::size_t input = 0; input < panel.inputs; input += kStep, weights += kStep * kWidth) {
      const __m512i weights_low = _mm512_loadu_si512(weights);
      const __m512i weights_high = _mm512_loadu_si512(weights + kStep * kWidth / 2);
      __builtin_prefetch(weights + next, 0, 2);
      __builtin_prefetch(weights + next + kStep * kWidth / 2, 0, 2);
#pragma GCC unroll 8
      for (std::size_t r = 0; r < kCount; ++r) {
        const __m512i codes = _mm512_set1_epi32(four_codes(tile.x + r * tile.x_stride + input));
        low[r] = _mm512_dpbusd_epi32(low[r], codes, weights_low);
        high[r] = _mm512_dpbusd_epi32(high[r], codes, weights_high);
      }
    }
    const Columns low_columns = load(panel, 0);
    const Columns high_columns = load(panel, kWidth / 2);
#pragma GCC unroll 8
    for (std::size_t r = 0; r < kCount; ++r) {
      Y* y = tile.y + r * tile.y_stride;
      store<kAccumulate>(dequantize(low[r], tile.rows[r], low_columns), y);
      store<kAccumulate>(dequantize(high[r], tile.rows[r], high_columns), y + kWidth / 2);
    }
  }
};

template <typename Y>
using Multiply = void (*)(const Tile<Y>&, const Panel&);

/// multiply<1> … multiply<kRows>.
template <typename Isa, bool kAccumulate, typename Y, std::size_t... kIndex>
constexpr std::array<Multiply<Y>, sizeof...(kIndex)> tiles(std::index_sequence<kIndex...>) {
  return {&Isa::template multiply<kIndex + 1, kAccumulate>...};
}

template <typename Isa, bool kAccumulate, typename Y>
void multiply_rows(std::size_t rows, const Tile<Y>& tile, const Panel& panel) {
  static constexpr auto kTiles = tiles<Isa, kAccumulate, Y>(std::make_index_sequence<Isa::kRows>());
  kTiles[rows - 1](tile, panel);
}

/// All rows of one panel, in tiles of equal size, or nearly.
template <typename Isa, bool kAccumulate, typename Y>
void multiply_panel(std::size_t rows, Tile<Y> tile, const Panel& panel) {
  const std::size_t count = (rows + Isa::kRows - 1) / Isa::kRows;
  for (std::size_t left = count; left > 0; --left) {
    const std::size_t taken = (rows + left - 1) / left;
    multiply_rows<Isa, kAccumulate>(taken, tile, panel);
    rows -= taken;
    tile.x += taken * tile.x_stride;
    tile.rows += taken;
    tile.y += taken * tile.y_stride;
  }
}

/// Zero padding behind the last column of a panel that is not full.
template <std::size_t kWidth>
struct PaddedColumns {
  std::array<float, kWidth> scale = {};
  std::array<float, kWidth> offset = {};
  std::array<float, kWidth> sum = {};
  std::array<float, kWidth> bias = {};

  Panel pad(const Panel& panel, std::size_t columns) {
    std::copy_n(panel.scale, columns, scale.data());
    std::copy_n(panel.offset, columns, offset.data());
    std::copy_n(panel.sum, columns, sum.data());
    std::copy_n(panel.bias, columns, bias.data());
    return {panel.weights, panel.inputs, scale.data(), offset.data(), sum.data(), bias.data()};
  }
};

/// A panel that is not full goes through whole rows, one by one.
template <typename Isa, bool kAccumulate, typename Y>
void multiply_part(std::size_t rows, const Tile<Y>& tile, const Panel& panel, std::size_t columns) {
  PaddedColumns<Isa::kWidth> padded;
  const Panel whole = padded.pad(panel, columns);
  std::array<Y, Isa::kWidth> values = {};
  for (std::size_t row = 0; row < rows; ++row) {
    Y* y = tile.y + row * tile.y_stride;
    std::copy_n(y, columns, values.data());
    multiply_rows<Isa, kAccumulate, Y>(
        1, {tile.x + row * tile.x_stride, tile.x_stride, tile.rows + row, values.data(), Isa::kWidth}, whole);
    std::copy_n(values.data(), columns, y);
  }
}

template <typename Isa, bool kAccumulate, typename Y>
void multiply_columns(std::size_t rows, Tile<Y> tile, Panel panel, std::size_t columns) {
  for (std::size_t first = 0; first < columns; first += Isa::kWidth) {
    if (columns - first < Isa::kWidth) {
      multiply_part<Isa, kAccumulate>(rows, tile, panel, columns - first);
      return;
    }
    multiply_panel<Isa, kAccumulate>(rows, tile, panel);
    tile.y += Isa::kWidth;
    panel.weights += Isa::kWidth * panel.inputs;
    panel.scale += Isa::kWidth;
    panel.offset += Isa::kWidth;
    panel.sum += Isa::kWidth;
    panel.bias += Isa::kWidth;
  }
}

template <typename Isa>
auto multiply_all(bool accumulate) {
  return accumulate ? &multiply_columns<Isa, true, float> : &multiply_columns<Isa, false, float>;
}

}  // namespace

Panel panel_of(const WeightMemory& panels, std::int64_t begin, std::int64_t in, const ColumnQuantParams& columns) {
  return {reinterpret_cast<const std::int8_t*>(panels.data()) + begin * in,
          static_cast<std::size_t>(in),
          columns.scale.data(),
          columns.offset.data(),
          columns.sum.data(),
          columns.bias.data()};
}

void Int8Gemm::run(const std::uint8_t* x, std::span<const RowQuantParams> rows, std::int64_t begin,
                   const ColumnQuantParams& columns, bool accumulate, MatrixView y) const {
  const Tile<float> tile{x, static_cast<std::size_t>(in_), rows.data(), y.data, static_cast<std::size_t>(y.stride)};
  const auto multiply = isa_ == Int8Isa::avx2 ? multiply_all<Avx2>(accumulate) : multiply_all<Avx512Vnni>(accumulate);
  multiply(rows.size(), tile, panel_of(panels_, begin, in_, columns), columns.scale.size());
}

void Int8Gemm::run(const std::uint8_t* x, std::span<const RowQuantParams> rows, std::int64_t begin,
                   const ColumnQuantParams& columns, Bfloat16View y) const {
  const Tile<std::uint16_t> tile{x, static_cast<std::size_t>(in_), rows.data(), y.data,
                                 static_cast<std::size_t>(y.stride)};
  multiply_columns<Avx512Vnni, false>(rows.size(), tile, panel_of(panels_, begin, in_, columns), columns.scale.size());
}

#else

void Int8Gemm::run(const std::uint8_t*, std::span<const RowQuantParams>, std::int64_t, const ColumnQuantParams&, bool,
                   MatrixView) const {}

void Int8Gemm::run(const std::uint8_t*, std::span<const RowQuantParams>, std::int64_t, const ColumnQuantParams&,
                   Bfloat16View) const {}

#endif

}  // namespace treble::internal::simd
