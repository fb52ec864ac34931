// A convolution over neighbouring tokens beside the first block (DeBERTa v2; He et al., arXiv 2006.03654, "nGiE").
#pragma once

#include <cstdint>
#include <utility>

#include "kernels/linear.h"
#include "layers/layer_call.h"
#include "layers/norm.h"
#include "tensor/view.h"

namespace treble::internal {

/// hidden ← norm(hidden + activation(W · window + b)), the window of a token being the embeddings of the `kernel`
/// tokens around it. Beyond a text's ends there are zeros, never the tokens of its neighbour in the batch.
class TokenConvolution {
 public:
  struct Parts {
    std::int64_t kernel = 0;  ///< odd
    /// [hidden, kernel · hidden], the leftmost token of the window first; with its activation.
    Linear linear;
    Norm norm;
  };

  explicit TokenConvolution(Parts parts) : parts_(std::move(parts)) {}

  /// Keeps what enters block 0, [total_tokens, hidden], as windows in the workspace.
  void gather(const LayerCall& call, ConstMatrixView embedded) const;
  /// After block 0, in place.
  void run(const LayerCall& call, MatrixView hidden) const;

 private:
  Parts parts_;
};

}  // namespace treble::internal
