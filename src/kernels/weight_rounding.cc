#include "kernels/weight_rounding.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>
#include <vector>

#include "kernels/ldlq_ops.h"

namespace treble::internal {

namespace {

/// Errors are kept in eighths of a step, as 4-bit values 1 … 15 around this. Weights have an error of half a step, or a
/// little more after LDLQ; those of a clamped pair have more.
constexpr float kParts = 8;
constexpr float kZero = 8;
constexpr std::size_t kNibble = 4;
/// Damping of the Hessian: this share of its mean diagonal is added to the diagonal, as few texts give noisy estimates
/// for inputs that hardly vary in them.
constexpr float kDamping = 0.3F;

/// Rounds to nearest through a positive number, which the compiler vectorises; max drops a NaN in this order.
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
      const float eliminated = pivot[i];
      for (std::size_t m = 0; m <= i; ++m) row[m] -= eliminated * column[m];
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
  LdlqTile values;
};

WeightRounding::WeightRounding(std::int64_t in, std::int64_t out, std::int32_t qmax)
    : in_(in),
      out_(out),
      qmax_(qmax),
      pairs_(static_cast<std::size_t>(out * blocks_) * kHalf),
      total_(static_cast<std::size_t>(blocks_ * kBlock)),
      moments_(static_cast<std::size_t>(blocks_ * kBlock * kBlock)) {
  static_assert(kBlock == LdlqTile::kInputs);
}

void WeightRounding::record_weights(std::int64_t output, std::span<const float> weights,
                                    const WeightQuantParams& params, std::span<const std::int8_t> codes) {
  const float inverse = params.scale > 0 && std::isfinite(1.0F / params.scale) ? 1.0F / params.scale : 0.0F;
  for (std::int64_t block = 0; block < blocks_; ++block) {
    const auto first = static_cast<std::size_t>(block * kBlock);
    const std::size_t count = std::min<std::size_t>(kBlock, weights.size() - first);
    std::array<float, kBlock> errors = {};
    for (std::size_t i = 0; i < count; ++i) {
      errors[i] = (weights[first + i] - params.offset) * inverse - static_cast<float>(codes[first + i]);
    }
    pack(errors, pairs_.data() + pairs_at(output, block));
  }
}

void WeightRounding::observe_inputs(const Execution& execution, ConstMatrixView x, AlignedBuffer<float>& scratch) {
  // Block by block with contiguous rows: with the stride of a whole row they would evict each other from the cache.
  const std::int64_t size = x.rows * kBlock;
  float* kept = scratch.ensure(static_cast<std::size_t>(2 * blocks_ * size));
  float* scaled = kept + blocks_ * size;
  std::int64_t count = 0;
  for (std::int64_t row = 0; row < x.rows; ++row) {
    const float weight = 1 / sum_of_squares(x.row_span(row));
    if (!(weight > 0) || !std::isfinite(weight)) continue;
    for (std::int64_t first = 0; first < in_; first += kBlock) {
      const auto width = static_cast<std::size_t>(std::min(kBlock, in_ - first));
      // No aliasing, which the compiler cannot tell.
      const float* __restrict from = x.row(row) + first;
      float* __restrict total = total_.data() + first;
      float* __restrict copy = kept + first * x.rows + count * kBlock;
      float* __restrict weighted = scaled + first * x.rows + count * kBlock;
      for (std::size_t i = 0; i < width; ++i) {
        copy[i] = from[i];
        weighted[i] = weight * from[i];
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

void WeightRounding::load(const simd::Int8Gemm& gemm, Tile& tile) const {
  std::array<std::int8_t, kBlock> codes = {};
  std::array<float, kBlock> errors;
  for (std::int64_t o = 0; o < tile.outputs; ++o) {
    const std::int64_t output = tile.first_output + o;
    gemm.read_codes(output, tile.first_input, std::span(codes).first(static_cast<std::size_t>(tile.inputs)));
    unpack(pairs_.data() + pairs_at(output, tile.first_input / kBlock), errors);
    for (std::size_t i = 0; i < errors.size(); ++i) errors[i] += static_cast<float>(codes[i]);
    for (std::size_t i = 0; i < errors.size(); ++i) tile.values.weights[i][static_cast<std::size_t>(o)] = errors[i];
  }
}

void WeightRounding::store(simd::Int8Gemm& gemm, const Tile& tile, std::span<std::int64_t> code_sums) {
  // First in the layout of the tile, 16 outputs contiguous.
  constexpr std::size_t kOutputs = LdlqTile::kOutputs;
  std::array<std::array<std::uint8_t, kOutputs>, kHalf> pairs;
  std::array<std::array<std::int8_t, kOutputs>, kBlock> numbers;
  const auto& [weights, rounded, target] = tile.values;
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
    gemm.write_codes(output, tile.first_input, changed);
    code_sums[static_cast<std::size_t>(output)] += std::accumulate(changed.begin(), changed.end(), 0);
  }
}

bool WeightRounding::requantize(simd::Int8Gemm& gemm, std::span<std::int64_t> code_sums) {
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
      load(gemm, tile);
      ldlq_round(ConstMatrixView(moments_.data() + input * kBlock, tile.inputs, tile.inputs, kBlock), qmax_,
                 tile.values);
      store(gemm, tile, code_sums);
    }
  }
  return true;
}

}  // namespace treble::internal
