// The sparse output of a call.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "engine/output_collector.h"
#include "pooling/sparse_head.h"
#include "treble/sparse.h"

namespace treble::internal {

class SparseCollector : public OutputCollector {
 public:
  /// Of `texts` texts. `max_active_dims`: the weights that are kept of each, unset: all.
  SparseCollector(const SparseHead& head, const Temperature& temperature, std::optional<std::int64_t> max_active_dims,
                  std::size_t texts)
      : head_(head), temperature_(temperature), max_active_dims_(max_active_dims), texts_(texts) {}

  void take(const Execution& execution, const PackedBatch& batch, ConstMatrixView hidden) override;

  /// After the last batch; without token counts.
  SparseVectors finish() const;

 private:
  const SparseHead& head_;
  const Temperature& temperature_;
  std::optional<std::int64_t> max_active_dims_;
  std::vector<TokenWeights> texts_;
};

/// As rows of `result`, one after the other.
void put_together(std::span<const TokenWeights> texts, std::int64_t dim, SparseVectors& result);

/// Whether no weight is a NaN or infinity.
bool all_finite(const TokenWeights& weights);

/// Keeps as many of the weights that are largest in magnitude; of equal ones those of the lower ids.
void keep_largest(std::int64_t count, TokenWeights& weights);

}  // namespace treble::internal
