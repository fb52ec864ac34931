// The position-wise feed-forward network with its residual.
#pragma once

#include "kernels/linear.h"
#include "layers/layer_call.h"

namespace treble {

class FeedForward {
 public:
  /// `up` maps hidden → intermediate with the activation; `down` maps back and accumulates.
  FeedForward(Linear up, Linear down);

  /// hidden += W_down · activation(W_up · hidden).
  void run(const LayerCall& call, MatrixView hidden) const;

 private:
  Linear up_;
  Linear down_;
};

}  // namespace treble
