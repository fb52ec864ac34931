// What one head's attention does to the frequencies of its tokens (Zhou et al., arXiv 2410.24200, sections 3 and 4).
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "kernels/attention.h"

namespace treble::internal {

/// The logits of one head of one sequence, kept so that its softmax can be tried at many logit scales.
class HeadLogits {
 public:
  /// Computes them from what the attention is given; O(n²) memory. `head` counts query heads.
  HeadLogits(const AttentionInputs& inputs, std::int64_t sequence, std::int64_t head);

  std::int64_t length() const noexcept { return length_; }

  /// The n x n attention matrix A at the logit scale s, rows one after the other; 0 where a query does not see a key.
  std::vector<float> probabilities(double s) const;
  /// The same with a scale for each row, [length].
  std::vector<float> probabilities(std::span<const float> scales) const;

  /// σ_s: the standard deviation over all logits at the scale s that are seen, before softmax; 0 for none.
  double standard_deviation(double s) const;

 private:
  std::int64_t length_ = 0;
  std::vector<float> tempered_;    ///< multiplied by s; −infinity for keys that are not seen
  std::vector<float> untempered_;  ///< added as it is; empty: nothing
};

/// The filter rate σ_a: the largest singular value of HC[A] = (I − 11ᵀ/n) A, how much of the high frequencies one pass
/// of attention lets through (definition 2). By Lanczos' method on HC[A]ᵀ HC[A] from a fixed start, to 1e-4 of the
/// exact value, also where singular values nearly coincide. 0 for fewer than two tokens.
double filter_rate(const std::vector<float>& probabilities, std::int64_t length);

/// What the paper bounds σ_a by for logits of standard deviation σ_s and n tokens (Zhou et al., arXiv
/// 2410.24200): sqrt(n / (2 sqrt(1 + e^(−2 σ_s²)) (n − 1)^(3/2) + 1)). It rests on independent Gaussian logits, which
/// real attention need not keep: measure before believing. 0 for fewer than two tokens.
double filter_rate_bound(double logit_std, std::int64_t length);

/// The mean over the rows of −Σ p ln p / ln(keys seen): 1 for uniform attention, 0 for a single key. Rows that see one
/// key only count as 0.
double normalized_entropy(const std::vector<float>& probabilities, std::int64_t length);

}  // namespace treble::internal
