// Multi-head self-attention.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>

#include "kernels/linear.h"
#include "layers/layer_call.h"
#include "layers/norm.h"
#include "layers/rotary.h"

namespace treble::internal {

/// DeBERTa's bias needs the layer's queries and keys of the batch, so it is made anew for each.
class LogitBiasSource {
 public:
  virtual ~LogitBiasSource() = default;
  /// q and k: [total_tokens, num_heads · head_dim]. The views outlive the result.
  virtual std::unique_ptr<LogitBias> prepare(const Execution& execution, const PackedBatch& batch, ConstMatrixView q,
                                             ConstMatrixView k) const = 0;
};

struct AttentionShape {
  std::int64_t num_heads = 0;
  std::int64_t num_kv_heads = 0;
  std::int64_t head_dim = 0;
  float qk_scale = 1;
  std::int64_t window_left = AttentionInputs::kUnlimited;
  std::int64_t window_right = AttentionInputs::kUnlimited;
  bool bfloat16 = false;  ///< as in AttentionInputs
};

class SelfAttention {
 public:
  struct Parts {
    AttentionShape shape;
    /// hidden → (num_heads + 2 · num_kv_heads) · head_dim: queries, keys, values side by side. In bfloat16 only where
    /// supports_bf16_attention and neither norms of the heads nor rotary positions change them; `output` then reads
    /// bfloat16.
    Linear qkv;
    /// num_heads · head_dim → hidden.
    Linear output;
    /// Of each head, before the rotation; missing in most models (QK-norm; Henry et al., arXiv 2010.04245).
    Norm query_norm = {};
    Norm key_norm = {};
    Norm value_norm = {};
    /// Owned by the encoder; nullptr: this layer does not rotate.
    const RotaryTable* rotary = nullptr;
    std::shared_ptr<const LogitBiasSource> logit_bias = nullptr;
  };

  explicit SelfAttention(Parts parts) : parts_(std::move(parts)) {}

  /// Leaves attention(x) of all tokens, [total_tokens, num_heads · head_dim], in the workspace.
  void attend(const LayerCall& call, std::int64_t layer, ConstMatrixView x) const;
  /// y = W_o · what attend left, added to y when the output layer accumulates; of the tokens `kept` (rising), which are
  /// moved to the front, or of all where there are none.
  void project(const LayerCall& call, std::span<const std::int64_t> kept, MatrixView y) const;

 private:
  void fill_logit_scales(const LayerCall& call, std::int64_t layer) const;
  template <typename T>
  BasicMatrixView<T> attended(const LayerCall& call) const;
  template <typename T>
  BasicAttentionInputs<T> inputs(const LayerCall& call, BasicMatrixView<T> qkv) const;
  void attend(const LayerCall& call, std::int64_t layer, MatrixView qkv) const;
  void attend(const LayerCall& call, std::int64_t layer, Bfloat16View qkv) const;

  Parts parts_;
};

}  // namespace treble::internal
