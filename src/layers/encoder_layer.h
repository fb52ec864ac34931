// One transformer block with the norms after the residuals (post-norm, as in BERT).
#pragma once

#include <cstdint>

#include "layers/feed_forward.h"
#include "layers/layer_norm.h"
#include "layers/self_attention.h"

namespace treble {

class EncoderLayer {
 public:
  EncoderLayer(SelfAttention attention, LayerNorm attention_norm, FeedForward feed_forward, LayerNorm output_norm);

  /// In place.
  void run(const LayerCall& call, std::int64_t layer, MatrixView hidden) const;

 private:
  SelfAttention attention_;
  LayerNorm attention_norm_;
  FeedForward feed_forward_;
  LayerNorm output_norm_;
};

}  // namespace treble
