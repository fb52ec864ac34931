#include "engine/sparse_collector.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>

#include "engine/encoder_access.h"

namespace treble::internal {

void SparseCollector::take(const Execution& execution, const PackedBatch& batch, ConstMatrixView hidden) {
  std::vector<TokenWeights> weights = head_.run(execution, batch, hidden);
  for (std::int64_t sequence = 0; sequence < batch.num_sequences(); ++sequence) {
    const auto s = static_cast<std::size_t>(sequence);
    if (!all_finite(weights[s])) {
      throw non_finite_vector(batch.text_index[s], batch.length(sequence), temperature_);
    }
    if (max_active_dims_) keep_largest(*max_active_dims_, weights[s]);
    texts_[static_cast<std::size_t>(batch.text_index[s])] = std::move(weights[s]);
  }
}

SparseVectors SparseCollector::finish() const {
  SparseVectors result;
  put_together(texts_, head_.dim(), result);
  return result;
}

void put_together(std::span<const TokenWeights> texts, std::int64_t dim, SparseVectors& result) {
  result.count = std::ssize(texts);
  result.dim = dim;
  result.offsets.push_back(0);
  for (const TokenWeights& text : texts) {
    result.indices.insert(result.indices.end(), text.indices.begin(), text.indices.end());
    result.values.insert(result.values.end(), text.values.begin(), text.values.end());
    result.offsets.push_back(std::ssize(result.indices));
  }
}

bool all_finite(const TokenWeights& weights) {
  return std::all_of(weights.values.begin(), weights.values.end(), [](float value) { return std::isfinite(value); });
}

void keep_largest(std::int64_t count, TokenWeights& weights) {
  if (std::ssize(weights.values) <= count) return;
  std::vector<std::size_t> order(weights.values.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  const auto end = order.begin() + count;
  std::nth_element(order.begin(), end, order.end(), [&](std::size_t a, std::size_t b) {
    const float left = std::abs(weights.values[a]);
    const float right = std::abs(weights.values[b]);
    return left != right ? left > right : a < b;
  });
  order.erase(end, order.end());
  std::sort(order.begin(), order.end());
  TokenWeights kept;
  for (const std::size_t place : order) {
    kept.indices.push_back(weights.indices[place]);
    kept.values.push_back(weights.values[place]);
  }
  weights = std::move(kept);
}

}  // namespace treble::internal
