// One transformer block: the attention and feed-forward sublayers, each with its residual and the norms around it, and
// in some models a third sublayer for per-layer inputs. A mixture of experts may stand for the feed-forward network.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <variant>

#include "layers/feed_forward.h"
#include "layers/mixture_of_experts.h"
#include "layers/norm.h"
#include "layers/per_layer_input.h"
#include "layers/self_attention.h"

namespace treble::internal {

/// A mixture of experts always accumulates.
using AnyFeedForward = std::variant<FeedForward, MixtureOfExperts>;

class EncoderLayer {
 public:
  struct Parts {
    SelfAttention attention;
    BlockNorms attention_norms;
    AnyFeedForward feed_forward;
    BlockNorms feed_forward_norms;
    std::optional<PerLayerInput> per_layer_input = {};
    float scale = 1;  ///< of the block's result
  };

  /// The output layers of both sublayers accumulate exactly where their norms have nothing inside.
  explicit EncoderLayer(Parts parts) : parts_(std::move(parts)) {}

  /// In place. `layer` is its number from 0, for the temperature and the observer. Returns the rows of `hidden` that
  /// hold the result: all of them, or where only the tokens `kept` (rising) are asked for, as many at the front.
  MatrixView run(const LayerCall& call, std::int64_t layer, MatrixView hidden,
                 std::span<const std::int64_t> kept = {}) const;

 private:
  Parts parts_;
};

}  // namespace treble::internal
