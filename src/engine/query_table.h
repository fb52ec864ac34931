// Queries of inference-free sparse retrieval (Geng et al., arXiv 2411.04403): SparseStaticEmbedding of
// sentence-transformers.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string_view>
#include <vector>

#include "pooling/sparse_head.h"
#include "tokenizer/tokenizer.h"
#include "treble/options.h"

namespace treble::internal {

/// Each token that a query has weighs what a table says, however often it comes; no layers. Immutable.
class QueryTable {
 public:
  /// `folder` is the module's; its weights are in model.safetensors, or in the JSON file {token: weight} that "path" of
  /// its config.json names, in that folder or in `model_folder`. `vocab_size` is that of the documents' model. Throws
  /// Error{invalid_file, unsupported, not_found} naming file and key.
  static QueryTable load(const std::filesystem::path& folder, const std::filesystem::path& model_folder,
                         std::int64_t vocab_size);

  struct Query {
    TokenWeights weights;     ///< none of them 0; they may be negative
    std::int64_t tokens = 0;  ///< of the text
    std::int64_t used = 0;    ///< of them, that were read
  };
  /// `text` with its prompt, without special tokens. Throws what Tokenizer::encode throws.
  Query read(std::string_view text, std::optional<std::int64_t> max_length, std::optional<Truncation> truncation) const;

  /// Tokens of a query; unset: any number.
  std::optional<std::int64_t> limit() const noexcept { return limit_; }

 private:
  QueryTable(Tokenizer tokenizer, std::vector<float> weights, std::optional<std::int64_t> limit);

  Tokenizer tokenizer_;
  std::vector<float> weights_;
  std::optional<std::int64_t> limit_;
};

}  // namespace treble::internal
