#include "pooling/pooling.h"

#include <algorithm>
#include <array>
#include <utility>

#include "base/fail.h"
#include "pooling/column_pool.h"

namespace treble::internal {

namespace {

/// In the order of the enum, which is that of sentence-transformers' old concatenations.
constexpr std::array<std::string_view, 6> kNames = {"cls",          "max",      "mean", "mean_sqrt_len_tokens",
                                                    "weightedmean", "lasttoken"};

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
  constexpr std::int64_t kTile = ColumnPool::kMaxColumns;
  const std::int64_t tiles = (hidden.cols + kTile - 1) / kTile;
  const auto pool_range = [&](std::int64_t begin, std::int64_t end, int) {
    for (std::int64_t task = begin; task < end; ++task) {
      const std::int64_t sequence = task / tiles;
      const std::int64_t column = task % tiles * kTile;
      const std::int64_t offset = batch.offsets[static_cast<std::size_t>(sequence)];
      const std::int64_t cols = std::min(kTile, hidden.cols - column);
      const ConstMatrixView rows = hidden.row_range(offset, offset + batch.length(sequence));
      float* target = out.row(sequence) + column;
      for (const PoolingMode mode : config.modes) {
        ColumnPool columns(mode, cols, rows.rows, excluded_tokens(config, batch, sequence));
        columns.add(rows.col_range(column, column + cols));
        columns.write(target);
        target += hidden.cols;
      }
    }
  };
  execution.for_ranges(out.rows * tiles, 1, pool_range);
}

namespace {

constexpr std::int64_t kMaxColumns = ColumnPool::kMaxColumns;

}  // namespace

TextPool::TextPool(const PoolingConfig& config, std::int64_t hidden_size, std::int64_t length,
                   std::int64_t prompt_tokens)
    : hidden_size_(hidden_size) {
  const std::int64_t excluded = config.include_prompt ? 0 : std::clamp<std::int64_t>(prompt_tokens, 0, length);
  for (const PoolingMode mode : config.modes) {
    for (std::int64_t column = 0; column < hidden_size; column += kMaxColumns) {
      columns_.emplace_back(mode, std::min(kMaxColumns, hidden_size - column), length, excluded);
    }
  }
}

void TextPool::add(const Execution& execution, ConstMatrixView hidden) {
  const std::int64_t tiles = (hidden_size_ + kMaxColumns - 1) / kMaxColumns;
  execution.for_ranges(std::ssize(columns_), 1, [&](std::int64_t begin, std::int64_t end, int) {
    for (std::int64_t task = begin; task < end; ++task) {
      const std::int64_t column = task % tiles * kMaxColumns;
      columns_[static_cast<std::size_t>(task)].add(
          hidden.col_range(column, std::min(column + kMaxColumns, hidden_size_)));
    }
  });
}

void TextPool::write(std::span<float> out) const {
  float* next = out.data();
  const std::int64_t tiles = (hidden_size_ + kMaxColumns - 1) / kMaxColumns;
  for (std::size_t i = 0; i < columns_.size(); ++i) {
    columns_[i].write(next);
    const std::int64_t column = static_cast<std::int64_t>(i) % tiles * kMaxColumns;
    next += std::min(kMaxColumns, hidden_size_ - column);
  }
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
