// Looks at the states of a text while it is read; keeps numbers, not states.
#pragma once

#include <cstdint>
#include <vector>

#include "layers/attention_observer.h"
#include "treble/state_report.h"

namespace treble::internal {

/// Of the entries of one state; retention is exp of the sample's log_retention.
StateEstimate measure_state(const StateSample& sample);

/// √ of the sum of squares of its entries.
double frobenius_norm(ConstMatrixView state);

/// Where and what to look at.
struct StateProbePlace {
  std::vector<std::int64_t> layers;  ///< rising
  std::int64_t num_heads = 0;
  std::vector<std::int64_t> positions;  ///< rising
};

/// Of one text at a time; several texts are added up.
class StateProbe : public AttentionObserver {
 public:
  /// `place` outlives this.
  explicit StateProbe(const StateProbePlace& place);

  void on_attention(std::int64_t, const PackedBatch&, const AttentionInputs&) override {}
  void on_hidden_states(std::int64_t, const PackedBatch&, ConstMatrixView) override {}
  void on_state(std::int64_t layer, const StateSample& sample) override;

  void add(const StateProbe& other);

  /// Texts that reached each position.
  const std::vector<std::int64_t>& texts() const noexcept { return texts_; }

  /// [position] of a head of place.layers[layer]: means over the texts; positions that no text reached are zeros.
  std::vector<StateEstimate> means(std::size_t layer, std::int64_t head) const;

 private:
  std::size_t at(std::size_t layer, std::int64_t head, std::size_t position) const;

  const StateProbePlace& place_;
  std::vector<StateEstimate> sums_;  ///< [layer, head, position]
  std::vector<std::int64_t> texts_;  ///< [position]
};

}  // namespace treble::internal
