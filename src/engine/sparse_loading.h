// From a model's files to its sparse head.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "engine/output_heads.h"
#include "models/encoder.h"
#include "models/model_parts.h"
#include "pooling/sparse_head.h"
#include "pooling/splade_head.h"

namespace treble::internal {

/// SPLADE from the head for masked language modelling in `folder`, where the encoder's weights are. Throws what
/// load_masked_lm_head throws.
std::unique_ptr<const SparseHead> load_splade_head(const Encoder& encoder, const std::filesystem::path& folder,
                                                   const SpladeConfig& config, ComputeType type);

/// BGE-M3's. Throws Error{invalid_file} naming the file and the tensor.
std::unique_ptr<const SparseHead> load_token_weight_head(const ModelParts& parts, const LoadedParts& loaded);

/// A head that is loaded at its first use, of models that most people load for their dense vectors.
class LateSparseHead : public SparseHead {
 public:
  using Load = std::function<std::unique_ptr<const SparseHead>()>;
  LateSparseHead(Load load, std::int64_t dim);

  /// Throws what `load` throws, too.
  std::vector<TokenWeights> run(const Execution& execution, const PackedBatch& batch,
                                ConstMatrixView hidden) const override;
  std::int64_t dim() const noexcept override { return dim_; }
  std::vector<std::string> descriptions() const override;

 private:
  Load load_;
  std::int64_t dim_;
  mutable std::once_flag once_;
  mutable std::unique_ptr<const SparseHead> head_;
};

}  // namespace treble::internal
