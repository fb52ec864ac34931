// The sublayer that mixes a layer's own projection of the embeddings into the hidden states (the per-layer embeddings
// of Gemma 3n, as EmbeddingGemma 2 has them: projected, without a table).
#pragma once

#include <utility>

#include "kernels/activation.h"
#include "kernels/linear.h"
#include "layers/layer_call.h"
#include "layers/norm.h"
#include "tensor/aligned_buffer.h"

namespace treble::internal {

class PerLayerInput {
 public:
  struct Parts {
    Linear signal;     ///< hidden → width
    Norm signal_norm;  ///< [width]
    Linear gate;       ///< hidden → width
    Activation activation = Activation::identity;
    Linear output;     ///< width → hidden
    Norm result_norm;  ///< [hidden]
  };

  explicit PerLayerInput(Parts parts) : parts_(std::move(parts)) {}

  /// hidden ← hidden + result_norm(W_output · (activation(W_gate · hidden) ⊙
  /// signal_norm(W_signal · inputs))); inputs are the embeddings
  /// of the same tokens. Both [tokens, hidden].
  void run(const LayerCall& call, ConstMatrixView inputs, MatrixView hidden) const;

 private:
  void run_chunk(const Execution& execution, ConstMatrixView inputs, AlignedBuffer<float>& buffer,
                 MatrixView hidden) const;

  Parts parts_;
};

}  // namespace treble::internal
