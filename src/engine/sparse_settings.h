// Whether a model's files have a sparse output, and of which kind.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "models/model_parts.h"
#include "pooling/splade_head.h"
#include "treble/output_options.h"

namespace treble::internal {

/// Of BGE-M3, beside its modules: "weight" [1, hidden size] and "bias" [1].
inline constexpr const char* kTokenWeightsFile = "sparse_linear.safetensors";

struct SparseSettings {
  enum class Source {
    none,
    splade_modules,  ///< modules.json: Transformer (fill-mask), SpladePooling, or a Router to them; no dense output
    masked_lm,  ///< no modules.json, and an architecture …ForMaskedLM: SPLADE to sentence-transformers' SparseEncoder
    token_weights,  ///< sparse_linear.safetensors beside a model of dense vectors: BGE-M3
  };
  Source source = Source::none;
  SpladeConfig splade = {};  ///< of the first two
  std::optional<std::int64_t> max_active_dims = {};
  /// Of a Router: the folder of its SparseStaticEmbedding, which reads queries; empty: the model reads them too.
  std::filesystem::path queries = {};
  std::optional<TextRole> default_role = {};  ///< of a Router: what texts are that no role is named for
  std::vector<std::string> warnings = {};
};

/// Throws Error{invalid_file, unsupported} naming file and key, and modules that Treble has not.
SparseSettings read_sparse_settings(const ModelParts& parts);

}  // namespace treble::internal
