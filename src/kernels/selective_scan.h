// The selective scan of Mamba-2 (Dao & Gu, "Transformers are SSMs", arXiv 2405.21060) over packed sequences, and the
// causal convolution before it.
#pragma once

#include <cstdint>
#include <span>

#include "kernels/execution.h"
#include "tensor/view.h"

namespace treble::internal {

/// For each sequence and head, with the state h [state_size, head_dim] beginning at zero or at what `states` holds:
///   α_t = exp(Δ_t · a + log_retain),   h_t = α_t h_{t−1} + insert · B_t ⊗ (Δ_t x_t),   y_t = C_t h_t + d x_t
/// B and C of a group serve num_heads / num_groups consecutive heads.
struct ScanInputs {
  ConstMatrixView x;                      ///< [total_tokens, num_heads · head_dim], any stride
  ConstMatrixView b;                      ///< [total_tokens, num_groups · state_size], any stride
  ConstMatrixView c;                      ///< likewise
  ConstMatrixView step;                   ///< Δ [total_tokens, num_heads], each ≥ 0
  std::span<const float> a;               ///< [num_heads], each < 0
  std::span<const float> d;               ///< [num_heads]; empty: zeros
  std::span<const std::int64_t> offsets;  ///< [num_sequences + 1] as in PackedBatch
  std::int64_t num_heads = 0;
  std::int64_t num_groups = 0;
  float log_retain = 0;  ///< of every step, at most 0
  float insert = 1;
  /// [num_heads]: after each step a state of a larger Frobenius norm is scaled down to it. Empty or infinite: no limit,
  /// and the chunked form; with a limit every step is taken.
  std::span<const float> max_norms;

  std::int64_t head_dim() const noexcept { return x.cols / num_heads; }
  std::int64_t state_size() const noexcept { return b.cols / num_groups; }
  /// Of one sequence.
  std::int64_t state_values() const noexcept { return num_heads * state_size() * head_dim(); }
};

/// Is shown the states of a scan while it runs; by several threads at once where the Execution has several.
class ScanObserver {
 public:
  virtual ~ScanObserver() = default;
  /// After `tokens` tokens of the sequence within this call: at the end of each chunk of kScanChunk tokens and of the
  /// sequence. `state` [state_size, head_dim] lives until the return.
  virtual void on_state(std::int64_t sequence, std::int64_t head, std::int64_t tokens, ConstMatrixView state) = 0;
};

/// Tokens that are computed together (the SSD form): within a chunk as attention, between chunks as a recurrence.
inline constexpr std::int64_t kScanChunk = 64;

/// y [total_tokens, num_heads · head_dim]; must not overlap the inputs. `states`
/// [num_sequences, num_heads, state_size, head_dim] is read and replaced by the states after the last tokens; empty:
/// all begin at zero and none is kept. A sequence's result depends on that sequence alone, bit for bit, and one that is
/// cut at a multiple of kScanChunk and continued from its states is the whole, bit for bit. Infinity or NaN in an input
/// makes y infinite or NaN at that token or a later one, never at an earlier one. A product of α below e⁻⁶⁴ is taken
/// for 0. Throws Error{internal} when shapes disagree.
void selective_scan(const Execution& execution, const ScanInputs& inputs, std::span<float> states, MatrixView y,
                    ScanObserver* observer = nullptr);

/// A depthwise causal convolution with SiLU after it.
struct CausalConvolution {
  std::span<const float> weight;  ///< [kernel, channels]: the last row is of the token itself
  std::span<const float> bias;    ///< [channels]; empty: zeros
  std::int64_t kernel = 0;        ///< ≥ 1
};

/// y[t] = silu(bias + Σ_k weight[k] · x[t − kernel + 1 + k]); x [total_tokens, channels] of any stride, y dense, the
/// two must not overlap. `history` [num_sequences, kernel − 1, channels] holds the tokens before the first and is
/// replaced by the last ones; empty: zeros, and nothing is kept. Throws Error{internal} when shapes disagree.
void causal_convolution(const Execution& execution, const CausalConvolution& convolution,
                        std::span<const std::int64_t> offsets, std::span<float> history, ConstMatrixView x,
                        MatrixView y);

/// y = softplus(x + bias) within [min, max], element by element; x [rows, cols] of any stride, bias [cols], y dense.
void softplus(std::span<const float> bias, float min, float max, ConstMatrixView x, MatrixView y);

}  // namespace treble::internal
