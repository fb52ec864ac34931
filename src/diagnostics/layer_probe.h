// Looks into the attention and the tokens of texts of one length, at one temperature.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "layers/attention_observer.h"
#include "treble/collapse_report.h"

namespace treble::internal {

class LayerProbe : public AttentionObserver {
 public:
  /// A loop that may run its body on several threads at once.
  using ParallelFor = std::function<void(std::int64_t count, const std::function<void(std::int64_t)>& body)>;

  struct Place {
    std::int64_t setting = 0;
    std::int64_t length = 0;
    std::vector<std::int64_t> layers;  ///< those to probe
  };

  LayerProbe(Place place, ParallelFor parallel_for)
      : place_(std::move(place)), parallel_for_(std::move(parallel_for)) {}

  void on_attention(std::int64_t layer, const PackedBatch& batch, const AttentionInputs& inputs) override;
  void on_hidden_states(std::int64_t layer, const PackedBatch& batch, ConstMatrixView hidden) override;

  /// Means over the texts seen: of each layer over its heads, then of each head.
  std::vector<AttentionEstimate> attention() const;
  std::vector<TokenEstimate> tokens() const;

 private:
  /// Sums over texts.
  struct LayerSums {
    std::int64_t layer = 0;
    std::vector<AttentionEstimate> heads;
  };
  struct TokenSums {
    std::int64_t layer = 0;
    std::int64_t texts = 0;
    TokenEstimate sums;
  };

  Place place_;
  ParallelFor parallel_for_;
  std::vector<LayerSums> layers_;
  std::vector<TokenSums> tokens_;
};

}  // namespace treble::internal
