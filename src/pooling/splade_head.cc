#include "pooling/splade_head.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "kernels/row_ops.h"
#include "tensor/aligned_buffer.h"

namespace treble::internal {

namespace {

/// Of the logits that are there at a time, 2 MiB: enough rows for products at full speed, and they stay close to the
/// core.
constexpr std::int64_t kRows = 128;
constexpr std::int64_t kColumns = 4096;
/// Columns that a thread pools at least.
constexpr std::int64_t kPoolGrain = 512;

/// Comparisons pass over a NaN among logits.
bool has_nan(std::span<const float> logits) {
  bool found = false;
  for (const float logit : logits) found |= logit != logit;
  return found;
}

/// Adds one token's logits of some columns to what is pooled of its text, from 0 on: relu comes with it.
void pool_row(const SpladeConfig& /*config*/, std::span<const float> logits, std::span<float> largest) {
  // The logarithm rises: it is taken of the largest logit alone.
  for (std::size_t c = 0; c < logits.size(); ++c) largest[c] = logits[c] > largest[c] ? logits[c] : largest[c];
  if (has_nan(logits)) largest.front() = std::numeric_limits<float>::quiet_NaN();
}

void pool_row(const SpladeConfig& config, std::span<const float> logits, std::span<double> sums) {
  const bool twice = config.activation == SpladeConfig::Activation::log1p_relu;
  for (std::size_t c = 0; c < logits.size(); ++c) {
    if (logits[c] <= 0) continue;
    const float once = std::log1p(logits[c]);
    sums[c] += static_cast<double>(twice ? std::log1p(once) : once);
  }
}

float finish(const SpladeConfig& /*config*/, double sum) { return static_cast<float>(sum); }

float finish(const SpladeConfig& config, float largest) {
  const float once = largest <= 0 ? 0 : std::log1p(largest);
  return config.activation == SpladeConfig::Activation::log1p_relu ? std::log1p(once) : once;
}

/// The sequence of each row.
std::vector<std::int64_t> sequence_of_rows(const PackedBatch& batch) {
  std::vector<std::int64_t> sequences;
  sequences.reserve(static_cast<std::size_t>(batch.total_tokens()));
  for (std::int64_t s = 0; s < batch.num_sequences(); ++s) {
    sequences.insert(sequences.end(), static_cast<std::size_t>(batch.length(s)), s);
  }
  return sequences;
}

std::vector<Linear> split_decoder(const SpladeWeights& weights, ComputeType type) {
  std::vector<Linear> parts;
  const std::int64_t vocabulary = weights.decoder.rows;
  for (std::int64_t begin = 0; begin < vocabulary; begin += kColumns) {
    const std::int64_t end = std::min(vocabulary, begin + kColumns);
    const auto bias = weights.bias.empty() ? weights.bias
                                           : weights.bias.subspan(static_cast<std::size_t>(begin),
                                                                  static_cast<std::size_t>(end - begin));
    parts.emplace_back(weights.decoder.row_range(begin, end), bias, Linear::Options{.type = type});
  }
  return parts;
}

}  // namespace

SpladeHead::SpladeHead(const SpladeWeights& weights, SpladeConfig config, ComputeType type)
    : config_(config),
      dense_(ConstMatrixView(weights.transform.weight.data(), weights.transform.out, weights.transform.in),
             weights.transform.bias, {.activation = weights.transform.activation, .type = type}),
      norm_gain_(weights.transform.norm_gain),
      norm_bias_(weights.transform.norm_bias),
      norm_eps_(weights.transform.norm_eps),
      decoder_(split_decoder(weights, type)),
      dim_(weights.decoder.rows) {}

std::vector<TokenWeights> SpladeHead::run(const Execution& execution, const PackedBatch& batch,
                                          ConstMatrixView hidden) const {
  const std::int64_t rows = batch.total_tokens();
  const std::int64_t width = dense_.out_features();
  if (rows == 0) return std::vector<TokenWeights>(static_cast<std::size_t>(batch.num_sequences()));
  AlignedBuffer<float> buffer(static_cast<std::size_t>(rows * width));
  const MatrixView transformed(buffer.data(), rows, width);
  dense_.run(execution, hidden, transformed);
  layer_norm(execution, norm_gain_, norm_bias_, norm_eps_, transformed, transformed);
  return config_.pooling == SpladeConfig::Pooling::max ? pool_logits<float>(execution, batch, transformed)
                                                       : pool_logits<double>(execution, batch, transformed);
}

/// `Number` is what is pooled in.
template <typename Number>
std::vector<TokenWeights> SpladeHead::pool_logits(const Execution& execution, const PackedBatch& batch,
                                                  ConstMatrixView transformed) const {
  std::vector<TokenWeights> weights(static_cast<std::size_t>(batch.num_sequences()));
  const std::int64_t rows = transformed.rows;
  const auto sequence_of = sequence_of_rows(batch);
  AlignedBuffer<float> buffer(static_cast<std::size_t>(std::min(rows, kRows) * std::min(dim_, kColumns)));
  std::vector<Number> pooled;
  std::int64_t first_column = 0;
  for (const Linear& decoder : decoder_) {
    const std::int64_t columns = decoder.out_features();
    pooled.assign(weights.size() * static_cast<std::size_t>(columns), Number{0});
    for (std::int64_t begin = 0; begin < rows; begin += kRows) {
      const std::int64_t end = std::min(rows, begin + kRows);
      const MatrixView logits(buffer.data(), end - begin, columns);
      decoder.run(execution, transformed.row_range(begin, end), logits);
      execution.for_ranges(columns, kPoolGrain, [&](std::int64_t from, std::int64_t to, int) {
        const auto size = static_cast<std::size_t>(to - from);
        for (std::int64_t row = begin; row < end; ++row) {
          const std::int64_t place = sequence_of[static_cast<std::size_t>(row)] * columns + from;
          pool_row(config_, {logits.row(row - begin) + from, size},
                   std::span(pooled).subspan(static_cast<std::size_t>(place), size));
        }
      });
    }
    for (std::size_t s = 0; s < weights.size(); ++s) {
      const auto row =
          std::span(pooled).subspan(s * static_cast<std::size_t>(columns), static_cast<std::size_t>(columns));
      for (std::int64_t c = 0; c < columns; ++c) {
        const float value = finish(config_, row[static_cast<std::size_t>(c)]);
        if (value <= 0) continue;  // which a NaN is not
        weights[s].indices.push_back(static_cast<std::int32_t>(first_column + c));
        weights[s].values.push_back(value);
      }
    }
    first_column += columns;
  }
  return weights;
}

std::vector<std::string> SpladeHead::descriptions() const {
  return {fmt::format("Masked language model: {} to {} logits", dense_.in_features(), dim_),
          fmt::format("SpladePooling: {}, {}", config_.pooling == SpladeConfig::Pooling::max ? "max" : "sum",
                      config_.activation == SpladeConfig::Activation::relu ? "log1p(relu)" : "log1p(log1p(relu))")};
}

}  // namespace treble::internal
