// The small JSON files of sentence-transformers modules, in the old key form and in that of release 5.4 and later.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "base/json_file.h"
#include "kernels/activation.h"
#include "pooling/pooling.h"

namespace treble::internal {

enum class ModuleKind {
  transformer,
  static_embedding,
  pooling,
  dense,
  layer_norm,
  dropout,
  normalize,
  multi_vector_mask,
};

/// One entry of modules.json.
struct ModuleEntry {
  ModuleKind kind = ModuleKind::transformer;
  std::string path;  ///< relative to the model's folder; "" is that folder itself
};

/// modules.json, checked: a Transformer and a Pooling, or a StaticEmbedding; then modules that map a vector to a
/// vector, in the order of the array (sentence-transformers ignores "idx" too). Throws Error{invalid_file} when it is
/// not that array or a path leaves the folder, Error{unsupported} naming the module, and the modules there are, for
/// every other chain.
std::vector<ModuleEntry> parse_modules(const nlohmann::json& modules, const std::string& origin);

/// Throws Error{invalid_file}, its message beginning with `place`, for the path of a module that leaves the model's
/// folder.
void check_module_path(const std::string& path, const std::string& place);

/// modules.json of a model that gives a vector for each token: a Transformer, then any of Dense (sentence-transformers'
/// or PyLate's), Normalize, MultiVectorMask, Dropout, which work on the vectors of tokens. Throws as parse_modules.
std::vector<ModuleEntry> parse_token_modules(const nlohmann::json& modules, const std::string& origin);

/// What the vectors are of that a module works on, by sentence-transformers' names of features.
enum class VectorsOf {
  texts,   ///< "sentence_embedding"
  tokens,  ///< "token_embeddings"
};

/// A Pooling module's config.json. Throws Error{invalid_file}: neither form (nothing is guessed), both forms that
/// contradict each other, no mode, an unknown mode (naming the known ones), a width other than `hidden_size`; and
/// Error{unsupported} for a key that sentence-transformers does not have either.
PoolingConfig parse_pooling_config(const JsonObject& config, std::int64_t hidden_size);

struct DenseConfig {
  std::int64_t in_features = 0;
  std::int64_t out_features = 0;
  bool bias = true;
  Activation activation = Activation::tanh;
  bool use_residual = false;             ///< add the input (projected, where the widths differ) after the activation
  std::vector<std::string> unused_keys;  ///< unknown here as to sentence-transformers, which ignores them too
};

/// A Dense module's config.json. Throws Error{invalid_file} for widths below 1 or of another type, Error{unsupported}
/// for an activation outside the list (naming it) or one that works on other vectors; a config that does not say is
/// about those.
DenseConfig parse_dense_config(const JsonObject& config, VectorsOf vectors = VectorsOf::texts);

/// A LayerNorm module's config.json: its width. Throws Error{unsupported} for another key.
std::int64_t parse_layer_norm_config(const JsonObject& config);

/// A Normalize module's config.json, present since release 6: throws Error{unsupported} unless it works on these
/// vectors (of texts, where it does not say). Gives the keys that are not used.
std::vector<std::string> read_normalize_config(const JsonObject& config, VectorsOf vectors = VectorsOf::texts);

/// Which tokens of a multi-vector model have a vector that is scored.
struct MultiVectorMaskConfig {
  std::vector<std::string> skiplist_words = {};  ///< tokens without a vector
  bool skips_in_queries = false;
  bool skips_in_documents = true;
  std::vector<std::int32_t> kept_ids = {};  ///< of documents, these alone; empty: all
  std::vector<std::string> unused_keys = {};
};

/// A MultiVectorMask module's config.json. Throws Error{invalid_file} for values of another type.
MultiVectorMaskConfig parse_multi_vector_mask_config(const JsonObject& config);

}  // namespace treble::internal
