// SPLADE (Formal et al., arXiv 2107.05720, 2109.10086): the logits of a head for masked language modelling, pooled over
// the tokens of a text.
#pragma once

#include <span>
#include <vector>

#include "kernels/linear.h"
#include "pooling/module_chain.h"
#include "pooling/sparse_head.h"

namespace treble::internal {

/// SpladePooling of sentence-transformers.
struct SpladeConfig {
  enum class Pooling { max, sum };
  enum class Activation {
    relu,        ///< log(1 + relu(x))
    log1p_relu,  ///< log(1 + log(1 + relu(x))) (Geng et al., arXiv 2504.14839)
  };
  Pooling pooling = Pooling::max;
  Activation activation = Activation::relu;
};

/// What the logits are made with; copied.
struct SpladeWeights {
  const ChainLayer& transform;
  ConstMatrixView decoder;      ///< [vocabulary, transform.out]
  std::span<const float> bias;  ///< [vocabulary]; empty: none
};

/// The weights of a text are those of sentence-transformers: all of its tokens count, special tokens included. Logits
/// are computed for some rows and some columns of the vocabulary at a time, so that memory does not grow with either.
class SpladeHead : public SparseHead {
 public:
  /// `type`: of the products, not `automatic`.
  SpladeHead(const SpladeWeights& weights, SpladeConfig config, ComputeType type);

  std::vector<TokenWeights> run(const Execution& execution, const PackedBatch& batch,
                                ConstMatrixView hidden) const override;
  std::int64_t dim() const noexcept override { return dim_; }
  std::vector<std::string> descriptions() const override;

 private:
  template <typename Number>
  std::vector<TokenWeights> pool_logits(const Execution& execution, const PackedBatch& batch,
                                        ConstMatrixView transformed) const;

  SpladeConfig config_;
  Linear dense_;
  std::vector<float> norm_gain_;
  std::vector<float> norm_bias_;
  float norm_eps_;
  std::vector<Linear> decoder_;  ///< a part of the vocabulary each
  std::int64_t dim_;
};

}  // namespace treble::internal
