// From token ids to the first hidden states.
#pragma once

#include <cstdint>
#include <optional>

#include "layers/layer_call.h"
#include "layers/layer_norm.h"
#include "tensor/aligned_buffer.h"
#include "tensor/view.h"

namespace treble {

/// word + position (+ the token type's row, which the loader has added to every position), then layer norm.
class EmbeddingLayer {
 public:
  struct Tables {
    /// [vocab, hidden]; may lie in a mapped weight file that outlives the layer.
    ConstMatrixView words;
    /// [positions, hidden], owned.
    AlignedBuffer<float> positions;
    std::int64_t num_positions = 0;
    /// Position of a text's first token: 0, or padding_idx + 1 in the RoBERTa family.
    std::int64_t position_offset = 0;
    /// RoBERTa numbers only tokens that are not its padding token: a "<pad>" written in a text takes the position
    /// padding_idx and is not counted. Unset: every token is counted.
    std::optional<std::int32_t> uncounted_id;
  };

  EmbeddingLayer(Tables tables, LayerNorm norm);

  /// hidden [total_tokens, hidden]. Throws Error{invalid_argument} for a token outside the vocabulary and for a text
  /// beyond the position table, naming the text and both sizes.
  void run(const LayerCall& call, MatrixView hidden) const;

 private:
  void embed_sequence(const PackedBatch& batch, std::int64_t sequence, MatrixView hidden) const;

  Tables tables_;
  LayerNorm norm_;
};

}  // namespace treble
