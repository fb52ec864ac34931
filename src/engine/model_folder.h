// The settings in a model's folder that are neither weights nor modules.
#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "engine/length_limit.h"
#include "engine/multi_vector_config.h"
#include "engine/score_settings.h"
#include "engine/sparse_settings.h"
#include "models/model_parts.h"
#include "treble/similarity.h"

namespace treble::internal {

/// What a model is loaded for: vectors of texts (dense, sparse or one a token), or the logits of its head for sequence
/// classification in their place.
enum class ModelPurpose { vectors, scores };

struct ModelSettings {
  /// Where everything is.
  ModelParts parts;
  StatedLimits limits;
  /// sentence_bert_config.json asks for lower-casing before tokenising.
  bool lowercase = false;
  std::map<std::string, std::string> prompts;
  std::string default_prompt_name;
  Similarity similarity = Similarity::cosine;
  ModelPurpose purpose = ModelPurpose::vectors;
  ScoreSettings scores = {};   ///< of that purpose
  SparseSettings sparse = {};  ///< of vectors
  std::optional<MultiVectorSettings> multi_vector = {};
  /// What the files say that was not used.
  std::vector<std::string> warnings;
};

/// Throws Error{invalid_file, unsupported} naming file and key. A folder without modules.json is a plain transformer to
/// sentence-transformers, which then reads none of its own files; so does this.
ModelSettings read_model_settings(ModelParts parts, ModelPurpose purpose = ModelPurpose::vectors);

/// The prompt of that name. "query" and "document" are there in every model of sentence-transformers, empty where the
/// model's files do not say otherwise.
std::optional<std::string> find_prompt(const ModelSettings& settings, const std::string& name);

}  // namespace treble::internal
