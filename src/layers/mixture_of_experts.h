// A mixture of experts in the place of a block's feed-forward network: every token goes through a few of many.
#pragma once

#include <cstdint>
#include <vector>

#include "layers/expert_routing.h"
#include "layers/feed_forward.h"
#include "layers/layer_call.h"

namespace treble::internal {

/// y += b + Σₑ wₑ FFₑ(x), over the experts e that a token is routed to (Shazeer et al., arXiv 1701.06538; of embedding
/// models: Nussbaum & Duderstadt, arXiv 2502.07972). A token's experts depend on its own x alone, and their results are
/// added in the order of the experts, so nothing depends on the tokens beside it.
class MixtureOfExperts {
 public:
  struct Parts {
    ExpertRouter router;
    /// None accumulates.
    std::vector<FeedForward> experts;
    std::vector<float> bias = {};  ///< [hidden], added once a token
  };

  explicit MixtureOfExperts(Parts parts) : parts_(std::move(parts)) {}

  /// y may be x. A NaN in a token's x makes all of its y NaN.
  void run(const LayerCall& call, ConstMatrixView x, MatrixView y) const;

 private:
  void add_results(const LayerCall& call, MatrixView results, MatrixView y) const;

  Parts parts_;
};

}  // namespace treble::internal
