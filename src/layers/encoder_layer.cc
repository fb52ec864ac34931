#include "layers/encoder_layer.h"

#include <utility>

namespace treble {

EncoderLayer::EncoderLayer(SelfAttention attention, LayerNorm attention_norm, FeedForward feed_forward,
                           LayerNorm output_norm)
    : attention_(std::move(attention)),
      attention_norm_(std::move(attention_norm)),
      feed_forward_(std::move(feed_forward)),
      output_norm_(std::move(output_norm)) {}

void EncoderLayer::run(const LayerCall& call, std::int64_t layer, MatrixView hidden) const {
  attention_.run(call, layer, hidden);
  attention_norm_.run(call.execution, hidden);
  feed_forward_.run(call, hidden);
  output_norm_.run(call.execution, hidden);
}

}  // namespace treble
