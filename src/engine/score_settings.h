// What the files of a cross-encoder say beside its weights.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "models/model_parts.h"
#include "treble/reranker.h"

namespace treble::internal {

struct ScoreSettings {
  std::vector<std::string> labels;
  ScoreActivation activation = ScoreActivation::sigmoid;
  std::vector<std::string> warnings;
};

/// Whether the files are a cross-encoder's; see treble/reranker.h.
bool is_cross_encoder(const ModelParts& parts);

/// Reads the labels and the activation, in sentence-transformers' order: activation_fn of
/// config_sentence_transformers.json (read with modules.json alone), "sentence_transformers" of config.json, the old
/// "sbert_ce_default_activation_function" there; else sigmoid for one label, identity for several.
/// Throws Error{unsupported} for a model that gives vectors, saying what it is and what loads it; for modules beside
/// the Transformer; and for an activation function of PyTorch that is not known.
ScoreSettings read_score_settings(const ModelParts& parts);

}  // namespace treble::internal
