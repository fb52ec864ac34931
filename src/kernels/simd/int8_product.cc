// The tile: 4 rows x 16 outputs, 8 accumulators of 16 registers. A step takes 4 inputs: their codes, broadcast, times
// the weights' in pairs (vpmaddubsw, 16 bits, which int8_range() keeps from saturating), pairs added up in 32 bits
// (vpmaddwd by ones). AVX2 alone has use for it, so it is written for that and not with Highway, whose 1.0 lacks the
// first of the two instructions.
#include "kernels/simd/int8_product.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "kernels/onednn/product.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace treble::simd {

namespace {

constexpr std::size_t kWidth = Int8Product::kPanel;
constexpr std::size_t kTileRows = 4;
constexpr std::size_t kStep = 4;  ///< inputs

}  // namespace

Int8Product::Int8Product(std::int64_t in, std::int64_t out, std::span<const std::int8_t> codes) : in_(in) {
  const auto inputs = static_cast<std::size_t>(in);
  const auto outputs = static_cast<std::size_t>(out);
  const std::size_t panels = (outputs + kWidth - 1) / kWidth;
  panels_ = WeightMemory(panels * kWidth * inputs);
  std::byte* next = panels_.data();
  for (std::size_t first = 0; first < panels * kWidth; first += kWidth) {
    for (std::size_t input = 0; input < inputs; input += kStep) {
      for (std::size_t output = first; output < first + kWidth; ++output, next += kStep) {
        if (output < outputs) {
          std::memcpy(next, codes.data() + output * inputs + input, kStep);
        } else {
          std::memset(next, 0, kStep);
        }
      }
    }
  }
}

#if defined(__x86_64__)

namespace {

#define TREBLE_AVX2 __attribute__((target("avx2,fma")))

/// Up to kTileRows rows of x and y, with their meaning.
struct Tile {
  const std::uint8_t* x;
  std::size_t x_stride;
  const RowCodes* rows;
  float* y;
  std::size_t y_stride;
};

/// kWidth columns.
struct Panel {
  const std::int8_t* weights;
  std::size_t inputs;
  const float* scale;
  const float* sum;
  const float* bias;
};

TREBLE_AVX2 inline __m256i broadcast(const std::uint8_t* codes) {
  std::int32_t four;
  std::memcpy(&four, codes, sizeof(four));
  return _mm256_set1_epi32(four);
}

/// sums += Σ of four products a column.
TREBLE_AVX2 inline __m256i add_products(__m256i sums, __m256i codes, __m256i weights) {
  const __m256i pairs = _mm256_maddubs_epi16(codes, weights);
  return _mm256_add_epi32(sums, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
}

/// Eight columns from `column` of one row.
template <bool kAccumulate>
TREBLE_AVX2 inline void store(__m256i sums, const RowCodes& row, const Panel& panel, std::size_t column, float* y) {
  const __m256 scale = _mm256_mul_ps(_mm256_set1_ps(row.scale), _mm256_loadu_ps(panel.scale + column));
  const __m256 shift = _mm256_fmadd_ps(_mm256_set1_ps(row.offset), _mm256_loadu_ps(panel.sum + column),
                                       _mm256_loadu_ps(panel.bias + column));
  __m256 value = _mm256_fmadd_ps(_mm256_cvtepi32_ps(sums), scale, shift);
  if (kAccumulate) value = _mm256_add_ps(value, _mm256_loadu_ps(y + column));
  _mm256_storeu_ps(y + column, value);
}

template <std::size_t kRows, bool kAccumulate>
TREBLE_AVX2 void multiply(const Tile& tile, const Panel& panel) {
  __m256i low[kRows];
  __m256i high[kRows];
  for (std::size_t r = 0; r < kRows; ++r) low[r] = high[r] = _mm256_setzero_si256();
  const auto* weights = reinterpret_cast<const __m256i*>(panel.weights);
  for (std::size_t input = 0; input < panel.inputs; input += kStep, weights += 2) {
    const __m256i weights_low = _mm256_loadu_si256(weights);
    const __m256i weights_high = _mm256_loadu_si256(weights + 1);
#pragma GCC unroll 4
    for (std::size_t r = 0; r < kRows; ++r) {
      const __m256i codes = broadcast(tile.x + r * tile.x_stride + input);
      low[r] = add_products(low[r], codes, weights_low);
      high[r] = add_products(high[r], codes, weights_high);
    }
  }
  for (std::size_t r = 0; r < kRows; ++r) {
    store<kAccumulate>(low[r], tile.rows[r], panel, 0, tile.y + r * tile.y_stride);
    store<kAccumulate>(high[r], tile.rows[r], panel, kWidth / 2, tile.y + r * tile.y_stride);
  }
}

template <bool kAccumulate>
void multiply_rows(std::size_t rows, const Tile& tile, const Panel& panel) {
  switch (rows) {
    case 1: multiply<1, kAccumulate>(tile, panel); break;
    case 2: multiply<2, kAccumulate>(tile, panel); break;
    case 3: multiply<3, kAccumulate>(tile, panel); break;
    default: multiply<4, kAccumulate>(tile, panel); break;
  }
}

/// All rows of one panel.
template <bool kAccumulate>
void multiply_panel(std::size_t rows, Tile tile, const Panel& panel) {
  for (std::size_t row = 0; row < rows; row += kTileRows) {
    multiply_rows<kAccumulate>(std::min(kTileRows, rows - row), tile, panel);
    tile.x += kTileRows * tile.x_stride;
    tile.rows += kTileRows;
    tile.y += kTileRows * tile.y_stride;
  }
}

/// What lies behind the last column of a panel that is not full.
struct PaddedColumns {
  std::array<float, kWidth> scale = {};
  std::array<float, kWidth> sum = {};
  std::array<float, kWidth> bias = {};

  Panel pad(const Panel& panel, std::size_t columns) {
    std::copy_n(panel.scale, columns, scale.data());
    std::copy_n(panel.sum, columns, sum.data());
    std::copy_n(panel.bias, columns, bias.data());
    return {panel.weights, panel.inputs, scale.data(), sum.data(), bias.data()};
  }
};

/// A panel of fewer than kWidth columns goes by way of whole rows, one by one.
template <bool kAccumulate>
void multiply_part(std::size_t rows, const Tile& tile, const Panel& panel, std::size_t columns) {
  PaddedColumns padded;
  const Panel whole = padded.pad(panel, columns);
  std::array<float, kWidth> values = {};
  for (std::size_t row = 0; row < rows; ++row) {
    float* y = tile.y + row * tile.y_stride;
    std::copy_n(y, columns, values.data());
    multiply_rows<kAccumulate>(1, {tile.x + row * tile.x_stride, tile.x_stride, tile.rows + row, values.data(), kWidth},
                               whole);
    std::copy_n(values.data(), columns, y);
  }
}

template <bool kAccumulate>
void multiply_columns(std::size_t rows, Tile tile, Panel panel, std::size_t columns) {
  for (std::size_t first = 0; first < columns; first += kWidth) {
    if (columns - first < kWidth) {
      multiply_part<kAccumulate>(rows, tile, panel, columns - first);
      return;
    }
    multiply_panel<kAccumulate>(rows, tile, panel);
    tile.y += kWidth;
    panel.weights += kWidth * panel.inputs;
    panel.scale += kWidth;
    panel.sum += kWidth;
    panel.bias += kWidth;
  }
}

}  // namespace

bool Int8Product::runs_here() { return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"); }

bool Int8Product::suits(std::int64_t in) { return onednn::has_avx2_alone() && in % kStep == 0; }

void Int8Product::run(const std::uint8_t* x, std::span<const RowCodes> rows, std::int64_t begin,
                      const ColumnScales& columns, bool accumulate, MatrixView y) const {
  const auto inputs = static_cast<std::size_t>(in_);
  const Tile tile{x, inputs, rows.data(), y.data, static_cast<std::size_t>(y.stride)};
  const auto* weights = reinterpret_cast<const std::int8_t*>(panels_.data()) + begin * in_;
  const Panel panel{weights, inputs, columns.scale.data(), columns.sum.data(), columns.bias.data()};
  const auto multiply_all = accumulate ? &multiply_columns<true> : &multiply_columns<false>;
  multiply_all(rows.size(), tile, panel, columns.scale.size());
}

#else

bool Int8Product::runs_here() { return false; }

bool Int8Product::suits(std::int64_t) { return false; }

void Int8Product::run(const std::uint8_t*, std::span<const RowCodes>, std::int64_t, const ColumnScales&, bool,
                      MatrixView) const {}

#endif

}  // namespace treble::simd
