// BGE-M3's sparse output (Chen et al., arXiv 2402.03216): each token of a text weighs what a linear layer says of its
// hidden state, and a token that comes several times the largest of its weights.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "pooling/sparse_head.h"

namespace treble::internal {

class TokenWeightHead : public SparseHead {
 public:
  struct Parts {
    std::vector<float> weight = {};           ///< [hidden]
    float bias = 0;                           ///< before relu
    std::int64_t vocab_size = 0;              ///< of the model
    std::vector<std::int32_t> left_out = {};  ///< ids that get no weight: cls, eos, pad, unk
  };

  explicit TokenWeightHead(Parts parts);

  std::vector<TokenWeights> run(const Execution& execution, const PackedBatch& batch,
                                ConstMatrixView hidden) const override;
  std::int64_t dim() const noexcept override { return parts_.vocab_size; }
  std::vector<std::string> descriptions() const override;

 private:
  float weight_of(std::span<const float> state) const;

  Parts parts_;
};

}  // namespace treble::internal
