// Attention over packed sequences, with a scale on the logits.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "kernels/execution.h"
#include "tensor/aligned_buffer.h"
#include "tensor/view.h"

namespace treble {

/// For each sequence, head and query row i:
///   logit_j = s · q_i·k_j / sqrt(head_dim) + b · bias[head, j − i],   out_i = Σ_j softmax(logit)_j v_j
/// where s is the logit scale (1/τ) of that sequence and head, and b is s when the bias is tempered, else 1.
struct AttentionInputs {
  ConstMatrixView q;  ///< [total_tokens, num_heads · head_dim], any stride
  ConstMatrixView k;
  ConstMatrixView v;
  std::span<const std::int64_t> offsets;  ///< [num_sequences + 1] as in PackedBatch
  std::int64_t num_heads = 0;
  /// [num_sequences, num_heads], each > 0.
  std::span<const float> logit_scales;
  /// [num_heads, 2 · bias_reach − 1], the column of distance j − i being j − i + bias_reach − 1; empty for none.
  /// bias_reach is at least the longest sequence's length.
  ConstMatrixView position_bias;
  std::int64_t bias_reach = 0;
  bool temper_position_bias = true;

  std::int64_t head_dim() const noexcept { return q.cols / num_heads; }
};

/// Scratch memory of one thread, reused from call to call.
using AttentionScratch = AlignedBuffer<float>;

/// out [total_tokens, num_heads · head_dim]. Blocked online softmax (Milakov & Gimelshein, arXiv 1805.02867): O(n)
/// memory a thread, one scratch a thread of `execution`. A sequence's result depends on that sequence alone, bit for bit.
/// Throws Error{internal} when shapes disagree.
void attention(const Execution& execution, const AttentionInputs& inputs, std::vector<AttentionScratch>& scratch,
               MatrixView out);

}  // namespace treble
