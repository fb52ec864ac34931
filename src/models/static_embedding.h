// A table of token embeddings and no layers: sentence-transformers' StaticEmbedding, and model2vec's folders.
#pragma once

#include <filesystem>

#include "models/encoder.h"

namespace treble::internal {

/// Whether the first module of modules.json is a StaticEmbedding or, where there is no modules.json, config.json is
/// model2vec's.
bool is_static_embedding(const std::filesystem::path& model_folder);

/// Of the table in a module's folder; there is no config.json to read. Throws as load_static_encoder.
EncoderConfig read_static_config(const std::filesystem::path& folder);

/// The rows of "embedding.weight"; or of model2vec's "embeddings", chosen for each token id by "mapping" and multiplied
/// by "weights", where these are there. Throws Error{not_found} without weights; Error{invalid_file, unsupported}
/// naming file, tensor and both shapes.
Encoder load_static_encoder(const std::filesystem::path& folder);

}  // namespace treble::internal
