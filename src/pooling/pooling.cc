#include "pooling/pooling.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <utility>

#include "base/fail.h"

namespace treble::internal {

namespace {

/// In the order of the enum, which is that of sentence-transformers' old concatenations.
constexpr std::array<std::string_view, 6> kNames = {"cls",          "max",      "mean", "mean_sqrt_len_tokens",
                                                    "weightedmean", "lasttoken"};

// Columns at a time: their sums stay in the first-level cache, and one long text can be shared between threads.
constexpr std::int64_t kTile = 256;

/// A tile of columns of one text: rows [first, last) are pooled, and row 0 is the text's first token.
struct Tile {
  const float* data;
  std::int64_t stride;
  std::int64_t cols;
  std::int64_t length;
  std::int64_t first;

  const float* row(std::int64_t token) const { return data + token * stride; }
  std::int64_t count() const { return length - first; }
};

void copy_row(const Tile& tile, std::int64_t token, float* out) { std::copy_n(tile.row(token), tile.cols, out); }

void write_zeros(const Tile& tile, float* out) { std::fill_n(out, tile.cols, 0.0F); }

/// out = Σ weight(token) · row / divisor. The order of additions depends on nothing but the text.
template <typename Weight>
void weighted_sum(const Tile& tile, Weight weight, double divisor, float* out) {
  std::array<double, kTile> sums{};
  for (std::int64_t token = tile.first; token < tile.length; ++token) {
    const float* row = tile.row(token);
    const double factor = weight(token);
    for (std::int64_t c = 0; c < tile.cols; ++c)
      sums[static_cast<std::size_t>(c)] += factor * static_cast<double>(row[c]);
  }
  for (std::int64_t c = 0; c < tile.cols; ++c) out[c] = static_cast<float>(sums[static_cast<std::size_t>(c)] / divisor);
}

void maximum(const Tile& tile, float* out) {
  copy_row(tile, tile.first, out);
  for (std::int64_t token = tile.first + 1; token < tile.length; ++token) {
    const float* row = tile.row(token);
    // The negated comparison lets a NaN in and, once in, keeps it.
    for (std::int64_t c = 0; c < tile.cols; ++c) out[c] = !(row[c] <= out[c]) && out[c] == out[c] ? row[c] : out[c];
  }
}

void pool_tile(PoolingMode mode, const Tile& tile, float* out) {
  if (tile.count() == 0) {
    // sentence-transformers searches the first unmasked token, finds none and ends at the first of all.
    if (mode == PoolingMode::cls && tile.length > 0) return copy_row(tile, 0, out);
    return write_zeros(tile, out);
  }
  const auto count = static_cast<double>(tile.count());
  const auto one = [](std::int64_t) { return 1.0; };
  switch (mode) {
    case PoolingMode::cls: return copy_row(tile, tile.first, out);
    case PoolingMode::max: return maximum(tile, out);
    case PoolingMode::mean: return weighted_sum(tile, one, count, out);
    case PoolingMode::mean_sqrt_len: return weighted_sum(tile, one, std::sqrt(count), out);
    case PoolingMode::weighted_mean: {
      const auto position = [](std::int64_t token) { return static_cast<double>(token + 1); };
      // (first + 1) + … + length
      const double weights = count * (position(tile.first) + static_cast<double>(tile.length)) / 2;
      return weighted_sum(tile, position, weights, out);
    }
    case PoolingMode::last_token: return copy_row(tile, tile.length - 1, out);
  }
}

/// How many leading tokens of a text are left out.
std::int64_t excluded_tokens(const PoolingConfig& config, const PackedBatch& batch, std::int64_t sequence) {
  if (config.include_prompt) return 0;
  return std::clamp<std::int64_t>(batch.prompt_tokens[static_cast<std::size_t>(sequence)], 0, batch.length(sequence));
}

void check_shapes(const PoolingConfig& config, const PackedBatch& batch, ConstMatrixView hidden, MatrixView out) {
  const std::int64_t count = std::max<std::int64_t>(batch.num_sequences(), 0);
  if (hidden.rows != batch.total_tokens() || out.rows != count || out.cols != pooled_width(config, hidden.cols)) {
    fail(ErrorCode::internal, "pooling {} texts of {} tokens: hidden states are {} x {}, the output is {} x {}", count,
         batch.total_tokens(), hidden.rows, hidden.cols, out.rows, out.cols);
  }
  if (!config.include_prompt && std::cmp_not_equal(batch.prompt_tokens.size(), count)) {
    fail(ErrorCode::internal, "pooling {} texts: the batch has {} prompt lengths", count, batch.prompt_tokens.size());
  }
}

}  // namespace

std::optional<PoolingMode> pooling_mode_from_name(std::string_view name) noexcept {
  const auto found = std::find(kNames.begin(), kNames.end(), name);
  if (found == kNames.end()) return std::nullopt;
  return static_cast<PoolingMode>(found - kNames.begin());
}

std::int64_t pooled_width(const PoolingConfig& config, std::int64_t hidden_size) {
  return static_cast<std::int64_t>(config.modes.size()) * hidden_size;
}

void pool(const Execution& execution, const PoolingConfig& config, const PackedBatch& batch, ConstMatrixView hidden,
          MatrixView out) {
  check_shapes(config, batch, hidden, out);
  const std::int64_t tiles = (hidden.cols + kTile - 1) / kTile;
  const auto pool_range = [&](std::int64_t begin, std::int64_t end, int) {
    for (std::int64_t task = begin; task < end; ++task) {
      const std::int64_t sequence = task / tiles;
      const std::int64_t column = task % tiles * kTile;
      const std::int64_t offset = batch.offsets[static_cast<std::size_t>(sequence)];
      const Tile tile{hidden.row(offset) + column, hidden.stride, std::min(kTile, hidden.cols - column),
                      batch.length(sequence), excluded_tokens(config, batch, sequence)};
      float* target = out.row(sequence) + column;
      for (const PoolingMode mode : config.modes) {
        pool_tile(mode, tile, target);
        target += hidden.cols;
      }
    }
  };
  execution.for_ranges(out.rows * tiles, 1, pool_range);
}

}  // namespace treble::internal

namespace treble {

std::string to_string(PoolingMode mode) { return std::string(internal::kNames[static_cast<std::size_t>(mode)]); }

std::string to_string(std::span<const PoolingMode> modes) {
  std::string names;
  for (const PoolingMode mode : modes) {
    if (!names.empty()) names += '+';
    names += to_string(mode);
  }
  return names;
}

}  // namespace treble
