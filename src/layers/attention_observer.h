// A hook into the forward pass; without an observer it costs a null check a layer.
#pragma once

#include <cstdint>

#include "batch/packed_batch.h"
#include "kernels/attention.h"
#include "tensor/view.h"

namespace treble::internal {

/// The state of one head of a state-space layer.
struct StateSample {
  std::int64_t sequence = 0;  ///< of the batch
  std::int64_t head = 0;
  std::int64_t tokens = 0;   ///< of the text that the state has read
  double log_retention = 0;  ///< Σ ln α over them: how much of the first token's contribution is left
  ConstMatrixView state;     ///< [state_size, head_dim], as the outputs are made of
};

/// Called on the thread that runs the batch. The views are valid during the call only. The pass computes the same
/// vectors whether or not it is observed.
class AttentionObserver {
 public:
  virtual ~AttentionObserver() = default;

  /// What the attention of `layer` (0-based) is about to compute: queries, keys, values, logit scales.
  virtual void on_attention(std::int64_t layer, const PackedBatch& batch, const AttentionInputs& inputs) = 0;

  /// At the end of every kScanChunk tokens of a text and at its end; state-space layers alone have states.
  virtual void on_state(std::int64_t /*layer*/, const StateSample& /*sample*/) {}

  /// True: on_state after every token instead, of texts read in segments and without a window. The scan then goes
  /// token by token, whose vectors may differ by 1e-5.
  virtual bool sees_every_token() const { return false; }

  /// The hidden states [total_tokens, hidden] after `layer` blocks; 0: after the embeddings.
  virtual void on_hidden_states(std::int64_t layer, const PackedBatch& batch, ConstMatrixView hidden) = 0;
};

}  // namespace treble::internal
