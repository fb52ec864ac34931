// What a multi-vector model's files say about how its texts are read.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "engine/sentence_config.h"
#include "models/model_parts.h"
#include "treble/output_options.h"

namespace treble::internal {

/// ColBERT's query augmentation: queries are filled up with a token that has no content, and whose vectors are scored.
struct QueryExpansion {
  std::int64_t length = 0;  ///< tokens that a query has at least
  bool is_maximum = true;   ///< and at most
  bool attend = false;      ///< whether tokens attend to those it was filled up with
  std::string token = {};   ///< empty: the mask token, else the one that ends a sequence
};

/// Where the modules come from that are not in modules.json.
enum class MultiVectorForm {
  modules,   ///< modules.json has all of them (MultiVectorEncoder of sentence-transformers)
  pylate,    ///< modules.json has Dense modules; the mask and a Normalize follow them
  stanford,  ///< no modules.json; "linear.weight" is among the encoder's weights (HF_ColBERT)
  beside,    ///< colbert_linear.safetensors beside a model of dense vectors (BGE-M3)
};

struct MultiVectorSettings {
  MultiVectorForm form = MultiVectorForm::modules;
  std::optional<std::int64_t> query_length = {};     ///< tokens of a query, where it is not expanded
  std::optional<std::int64_t> document_length = {};  ///< tokens of a document
  std::optional<QueryExpansion> expansion = {};
  /// Put before queries and documents, by the names of their prompts; one that is a token of the vocabulary is read as
  /// that token.
  std::map<std::string, std::string> marks = {};
  std::vector<std::string> skiplist_words = {};  ///< of documents; not with MultiVectorForm::modules
  bool mean_max_sim = false;                     ///< the score is divided by the query's length
};

/// Of BGE-M3, beside its modules: "weight" [dim, hidden size] and "bias" [dim].
inline constexpr const char* kTokenVectorsFile = "colbert_linear.safetensors";

/// Nothing for a model of another kind. Of one that gives dense vectors too, see kTokenVectorsFile. Throws
/// Error{invalid_file, unsupported} naming file and key.
std::optional<MultiVectorSettings> read_multi_vector_settings(const ModelParts& parts);

/// What the Transformer module's own config says comes before the rest.
void apply_sentence_config(const SentenceConfig& config, const std::filesystem::path& folder,
                           MultiVectorSettings& settings);

/// A key of config_sentence_transformers.json that read_multi_vector_settings reads.
bool is_multi_vector_key(std::string_view key);

}  // namespace treble::internal
