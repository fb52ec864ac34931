#include "kernels/weight_rounding.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>
#include <vector>

namespace treble::internal {

namespace {

/// Errors are kept in eighths of a step, as codes 1 … 15 around this. Weights are off by half a step, or a little more
/// where they are rounded in turn; those of a pair that was drawn in by more.
constexpr float kParts = 8;
constexpr float kZero = 8;
constexpr std::size_t kNibble = 4;
/// Added to every second moment, of their mean: few texts tell little of inputs that hardly vary in them.
constexpr float kDamping = 0.3F;

/// To the nearest by way of a positive number, which the compiler makes vectors of; max drops a NaN in this order.
std::uint8_t encode_error(float steps) {
  return static_cast<std::uint8_t>(std::min(std::max(-7.0F, kParts * steps), 7.0F) + (kZero + 0.5F));
}

/// errors [2 · half], pairs [half].
void pack(std::span<const float> errors, std::uint8_t* pairs) {
  const std::size_t half = errors.size() / 2;
  for (std::size_t i = 0; i < half; ++i) {
    pairs[i] = static_cast<std::uint8_t>(encode_error(errors[i]) | encode_error(errors[half + i]) << kNibble);
  }
}

void unpack(const std::uint8_t* pairs, std::span<float> errors) {
  const std::size_t half = errors.size() / 2;
  for (std::size_t i = 0; i < half; ++i) {
    errors[i] = (static_cast<float>(pairs[i] & 15) - kZero) / kParts;
    errors[half + i] = (static_cast<float>(pairs[i] >> kNibble) - kZero) / kParts;
  }
}

float sum_of_squares(std::span<const float> values) {
  std::array<float, 16> sums = {};
  std::size_t i = 0;
  for (; i + sums.size() <= values.size(); i += sums.size()) {
    for (std::size_t lane = 0; lane < sums.size(); ++lane) sums[lane] += values[i + lane] * values[i + lane];
  }
  for (; i < values.size(); ++i) sums[0] += values[i] * values[i];
  return std::accumulate(sums.begin(), sums.end(), 0.0F);
}

/// H = (U + I) D (U + I)ᵀ with U above the diagonal, of the lower triangle of H, [n, n] in rows of `stride`. Leaves U
/// in its rows.
void factor(float* h, std::size_t n, std::size_t stride) {
  std::vector<float> column(n);
  for (std::size_t j = n; j-- > 0;) {
    float* pivot = h + j * stride;
    const float d = pivot[j];
    for (std::size_t i = 0; i < j; ++i) column[i] = pivot[i] / d;
    for (std::size_t i = 0; i < j; ++i) {
      float* row = h + i * stride;
      const float taken = pivot[i];
      for (std::size_t m = 0; m <= i; ++m) row[m] -= taken * column[m];
      row[j] = column[i];
    }
  }
}

}  // namespace

/// Some inputs of some outputs.
struct WeightRounding::Tile {
  std::int64_t first_output;
  std::int64_t outputs;
  std::int64_t first_input;
  std::int64_t inputs;
  LdlqTile numbers;
};

WeightRounding::WeightRounding(std::int64_t in, std::int64_t out, std::int32_t most)
    : in_(in),
      out_(out),
      most_(most),
      pairs_(static_cast<std::size_t>(out * blocks_) * kHalf),
      total_(static_cast<std::size_t>(blocks_ * kBlock)),
      moments_(static_cast<std::size_t>(blocks_ * kBlock * kBlock)) {
  static_assert(kBlock == LdlqTile::kInputs);
}

void WeightRounding::note(std::int64_t output, std::span<const float> weights, const WeightQuantParams& meaning,
                          std::span<const std::int8_t> codes) {
  const float inverse = meaning.scale > 0 && std::isfinite(1.0F / meaning.scale) ? 1.0F / meaning.scale : 0.0F;
  for (std::int64_t block = 0; block < blocks_; ++block) {
    const auto first = static_cast<std::size_t>(block * kBlock);
    const std::size_t count = std::min<std::size_t>(kBlock, weights.size() - first);
    std::array<float, kBlock> errors = {};
    for (std::size_t i = 0; i < count; ++i) {
      errors[i] = (weights[first + i] - meaning.offset) * inverse - static_cast<float>(codes[first + i]);
    }
    pack(errors, pairs_.data() + pairs_at(output, block));
  }
}

void WeightRounding::see(const Execution& execution, ConstMatrixView x, AlignedBuffer<float>& scratch) {
  // Block by block and a block's rows side by side: a whole row apart they would drive each other from the cache.
  const std::int64_t size = x.rows * kBlock;
  float* kept = scratch.ensure(static_cast<std::size_t>(2 * blocks_ * size));
  float* scaled = kept + blocks_ * size;
  std::int64_t count = 0;
  for (std::int64_t row = 0; row < x.rows; ++row) {
    const float weight = 1 / sum_of_squares(x.row_span(row));
    if (!(weight > 0) || !std::isfinite(weight)) continue;
    for (std::int64_t first = 0; first < in_; first += kBlock) {
      const auto width = static_cast<std::size_t>(std::min(kBlock, in_ - first));
      // Apart from each other, which the compiler does not know.
      const float* __restrict from = x.row(row) + first;
      float* __restrict total = total_.data() + first;
      float* __restrict same = kept + first * x.rows + count * kBlock;
      float* __restrict weighed = scaled + first * x.rows + count * kBlock;
      for (std::size_t i = 0; i < width; ++i) {
        same[i] = from[i];
        weighed[i] = weight * from[i];
        total[i] += weight * from[i];
      }
    }
    weight_ += static_cast<double>(weight);
    ++count;
  }
  execution.for_ranges(blocks_, 1, [&](std::int64_t begin, std::int64_t end, int) {
    for (std::int64_t block = begin; block < end; ++block) {
      const std::int64_t width = std::min(kBlock, in_ - block * kBlock);
      add_moments(ConstMatrixView(kept + block * size, count, width, kBlock),
                  ConstMatrixView(scaled + block * size, count, width, kBlock),
                  MatrixView(moments_.data() + block * kBlock * kBlock, width, width, kBlock));
    }
  });
}

float WeightRounding::mean_error(std::int64_t output) const {
  std::array<float, kBlock> sums = {};
  for (std::int64_t block = 0; block < blocks_; ++block) {
    std::array<float, kBlock> errors;
    unpack(pairs_.data() + pairs_at(output, block), errors);
    const float* total = total_.data() + block * kBlock;
    for (std::size_t i = 0; i < errors.size(); ++i) sums[i] += total[i] * errors[i];
  }
  const float mean = std::accumulate(sums.begin(), sums.end(), 0.0F) / static_cast<float>(weight_);
  return std::isfinite(mean) ? mean : 0.0F;
}

void WeightRounding::factor_moments() {
  for (std::int64_t first = 0; first < in_; first += kBlock) {
    float* h = moments_.data() + first * kBlock;
    const auto n = static_cast<std::size_t>(std::min(kBlock, in_ - first));
    float trace = 0;
    for (std::size_t i = 0; i < n; ++i) trace += h[i * kBlock + i];
    for (std::size_t i = 0; i < n; ++i) h[i * kBlock + i] += kDamping * trace / static_cast<float>(n);
    factor(h, n, kBlock);
  }
}

void WeightRounding::load(const simd::Int8Gemm& product, Tile& tile) const {
  std::array<std::int8_t, kBlock> codes = {};
  std::array<float, kBlock> errors;
  for (std::int64_t o = 0; o < tile.outputs; ++o) {
    const std::int64_t output = tile.first_output + o;
    product.read_codes(output, tile.first_input, std::span(codes).first(static_cast<std::size_t>(tile.inputs)));
    unpack(pairs_.data() + pairs_at(output, tile.first_input / kBlock), errors);
    for (std::size_t i = 0; i < errors.size(); ++i) errors[i] += static_cast<float>(codes[i]);
    for (std::size_t i = 0; i < errors.size(); ++i) tile.numbers.weights[i][static_cast<std::size_t>(o)] = errors[i];
  }
}

void WeightRounding::store(simd::Int8Gemm& product, const Tile& tile, std::span<std::int64_t> code_sums) {
  // As the tile lies first, 16 outputs side by side.
  constexpr std::size_t kOutputs = LdlqTile::kOutputs;
  std::array<std::array<std::uint8_t, kOutputs>, kHalf> pairs;
  std::array<std::array<std::int8_t, kOutputs>, kBlock> numbers;
  const auto& [weights, rounded, wanted] = tile.numbers;
  for (std::size_t i = 0; i < kHalf; ++i) {
    for (std::size_t o = 0; o < kOutputs; ++o) {
      pairs[i][o] = static_cast<std::uint8_t>(encode_error(weights[i][o] - rounded[i][o]) |
                                              encode_error(weights[kHalf + i][o] - rounded[kHalf + i][o]) << kNibble);
    }
  }
  for (std::size_t i = 0; i < numbers.size(); ++i) {
    for (std::size_t o = 0; o < kOutputs; ++o) numbers[i][o] = static_cast<std::int8_t>(rounded[i][o]);
  }
  std::array<std::int8_t, kBlock> codes = {};
  for (std::int64_t o = 0; o < tile.outputs; ++o) {
    const std::int64_t output = tile.first_output + o;
    const auto lane = static_cast<std::size_t>(o);
    std::uint8_t* kept = pairs_.data() + pairs_at(output, tile.first_input / kBlock);
    for (std::size_t i = 0; i < kHalf; ++i) kept[i] = pairs[i][lane];
    for (std::size_t i = 0; i < codes.size(); ++i) codes[i] = numbers[i][lane];
    const auto changed = std::span(codes).first(static_cast<std::size_t>(tile.inputs));
    product.write_codes(output, tile.first_input, changed);
    code_sums[static_cast<std::size_t>(output)] += std::accumulate(changed.begin(), changed.end(), 0);
  }
}

bool WeightRounding::round_again(simd::Int8Gemm& product, std::span<std::int64_t> code_sums) {
  if (!(weight_ > 0)) return false;
  factor_moments();
  std::fill(code_sums.begin(), code_sums.end(), 0);
  Tile tile = {};
  for (std::int64_t output = 0; output < out_; output += LdlqTile::kOutputs) {
    tile.first_output = output;
    tile.outputs = std::min<std::int64_t>(LdlqTile::kOutputs, out_ - output);
    for (std::int64_t input = 0; input < in_; input += kBlock) {
      tile.first_input = input;
      tile.inputs = std::min(kBlock, in_ - input);
      load(product, tile);
      ldlq_round(ConstMatrixView(moments_.data() + input * kBlock, tile.inputs, tile.inputs, kBlock), most_,
                 tile.numbers);
      store(product, tile, code_sums);
    }
  }
  return true;
}

}  // namespace treble::internal
