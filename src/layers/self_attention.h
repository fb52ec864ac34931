// Multi-head self-attention with its residual.
#pragma once

#include <cstdint>

#include "kernels/linear.h"
#include "layers/layer_call.h"

namespace treble {

class SelfAttention {
 public:
  /// `qkv` maps hidden → 3 · hidden (queries, keys, values side by side); `output` maps hidden → hidden and accumulates.
  SelfAttention(Linear qkv, Linear output, std::int64_t num_heads);

  /// hidden += W_o · attention(hidden).
  void run(const LayerCall& call, std::int64_t layer, MatrixView hidden) const;

 private:
  Linear qkv_;
  Linear output_;
  std::int64_t num_heads_;
};

}  // namespace treble
