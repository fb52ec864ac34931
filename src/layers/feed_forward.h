// The position-wise feed-forward network.
#pragma once

#include "kernels/linear.h"
#include "layers/layer_call.h"
#include "tensor/aligned_buffer.h"

namespace treble::internal {

class FeedForward {
 public:
  /// The intermediate activations are bfloat16 where `up` writes that.
  /// Plain: `up` maps hidden → intermediate with the activation, `gate` is identity.
  /// Gated: `up` maps hidden → 2 · intermediate, gates first, without activation; `down` reads gate(first) · second
  /// (Shazeer, arXiv 2002.05202).
  struct Parts {
    Linear up;
    Linear down;
    bool gated = false;
    Activation gate = Activation::identity;
  };

  explicit FeedForward(Parts parts) : parts_(std::move(parts)) {}

  /// y = W_down · f(W_up · x), added to y when `down` accumulates. y may be x.
  void run(const LayerCall& call, ConstMatrixView x, MatrixView y) const;

 private:
  void run_chunk(const Execution& execution, ConstMatrixView x, AlignedBuffer<float>& buffer, MatrixView y) const;
  template <typename T>
  void run_through(const Execution& execution, ConstMatrixView x, T* buffer, MatrixView y) const;

  Parts parts_;
};

}  // namespace treble::internal
