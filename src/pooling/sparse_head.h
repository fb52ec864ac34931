// From the hidden states of a text's tokens to weights of the vocabulary's tokens.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "batch/packed_batch.h"
#include "kernels/execution.h"
#include "tensor/view.h"

namespace treble::internal {

/// Of one text.
struct TokenWeights {
  std::vector<std::int32_t> indices = {};  ///< ids of the vocabulary, rising
  std::vector<float> values = {};          ///< all above 0, but that a NaN is kept
};

/// Immutable; may be used from several threads at once.
class SparseHead {
 public:
  SparseHead() = default;
  virtual ~SparseHead() = default;
  SparseHead(const SparseHead&) = delete;
  SparseHead& operator=(const SparseHead&) = delete;

  /// `hidden` [batch.total_tokens(), hidden size] → the weights of each sequence, [batch.num_sequences()].
  virtual std::vector<TokenWeights> run(const Execution& execution, const PackedBatch& batch,
                                        ConstMatrixView hidden) const = 0;

  /// Of the vocabulary: the width of the sparse vectors.
  virtual std::int64_t dim() const noexcept = 0;
  /// A line a module, for `treble info`.
  virtual std::vector<std::string> descriptions() const = 0;
};

}  // namespace treble::internal
