// Attention over packed sequences, with a scale on the logits.
#pragma once

#include <cstdint>
#include <span>

#include "kernels/execution.h"
#include "tensor/view.h"

namespace treble::internal {

/// Adds a term of its own kind to a row of logits (DeBERTa's disentangled attention).
class LogitBias {
 public:
  virtual ~LogitBias() = default;
  /// logits[j] += scale · bias(query `row`, key first_key + j), rows and keys counted within `sequence`.
  virtual void add(std::int64_t sequence, std::int64_t head, std::int64_t row, std::int64_t first_key, float scale,
                   std::span<float> logits) const = 0;
};

/// For each sequence, head and query row i, over the keys j with i − window_left ≤ j ≤ i + window_right (sliding
/// window) and j < key_counts[sequence]:
///   logit_j = s · qk_scale · q_i·k_j + b · bias[head, j − i],   out_i = Σ_j softmax(logit)_j v_j
/// where s is the logit scale (1/τ) of that row and head, and b is s when the bias is tempered, else 1. A row without
/// keys is 0.
template <typename T>
struct BasicAttentionInputs {
  static constexpr std::int64_t kUnlimited = std::int64_t{1} << 40;

  BasicMatrixView<const T> q;  ///< [total_tokens, num_heads · head_dim], any stride
  BasicMatrixView<const T> k;  ///< [total_tokens, num_kv_heads · head_dim]
  BasicMatrixView<const T> v;
  std::span<const std::int64_t> offsets;  ///< [num_sequences + 1] as in PackedBatch
  /// [num_sequences]: leading keys of each that are attended to; empty: all.
  std::span<const std::int64_t> key_counts = {};
  std::int64_t num_heads = 0;
  /// Each of these serves num_heads / num_kv_heads consecutive query heads (Ainslie et al., arXiv 2305.13245).
  std::int64_t num_kv_heads = 0;
  float qk_scale = 1;  ///< 1 / sqrt(head_dim) in most models
  /// [num_heads, total_tokens], each > 0.
  std::span<const float> logit_scales;
  std::int64_t window_left = kUnlimited;   ///< keys before the query that it attends to
  std::int64_t window_right = kUnlimited;  ///< keys after it; 0: causal mask
  /// [num_heads, 2 · bias_max_length − 1], the column of distance j − i being j − i + bias_max_length − 1; empty for
  /// none. bias_max_length is at least the longest sequence's length.
  ConstMatrixView position_bias;
  std::int64_t bias_max_length = 0;
  bool temper_position_bias = true;
  const LogitBias* logit_bias = nullptr;  ///< always tempered
  /// Of float32 inputs: q, k, v and the attention weights may be rounded to bfloat16, which is done where
  /// supports_bf16_attention.
  bool bfloat16 = false;

  std::int64_t head_dim() const noexcept { return q.cols / num_heads; }
  std::int64_t num_keys(std::int64_t sequence) const {
    const auto s = static_cast<std::size_t>(sequence);
    return key_counts.empty() ? offsets[s + 1] - offsets[s] : key_counts[s];
  }
};

using AttentionInputs = BasicAttentionInputs<float>;
using Bfloat16AttentionInputs = BasicAttentionInputs<std::uint16_t>;

/// out [total_tokens, num_heads · head_dim]. Blocked online softmax (Milakov & Gimelshein, arXiv 1805.02867): O(n)
/// scratch a thread. A sequence's result depends on that sequence alone, bit for bit. Throws Error{internal} when
/// shapes disagree.
void attention(const Execution& execution, const AttentionInputs& inputs, MatrixView out);

/// The same from and to bfloat16, where supports_bf16_attention; no logit_bias.
void attention(const Execution& execution, const Bfloat16AttentionInputs& inputs, Bfloat16View out);

}  // namespace treble::internal
