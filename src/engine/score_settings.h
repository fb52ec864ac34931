// What the files of a cross-encoder say beside its weights.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "engine/pair_template.h"
#include "models/classification_head.h"
#include "models/model_parts.h"
#include "treble/reranker.h"

namespace treble::internal {

struct ScoreSettings {
  std::vector<std::string> labels;
  ScoreActivation activation = ScoreActivation::sigmoid;
  /// The score is of tokens' logits (LogitScore) rather than of a head for sequence classification.
  std::optional<TokenScore> tokens = {};
  /// Tokens that the pooled one is looked for before: see HeadConfig::padding.
  std::optional<std::int32_t> padding = {};
  /// How pairs are read; null: as the tokenizer lays out pairs.
  std::shared_ptr<const PairTemplate> chat = {};
  std::vector<std::string> warnings;
};

/// Whether the files are a cross-encoder's; see treble/reranker.h.
bool is_cross_encoder(const ModelParts& parts);

/// Reads the labels and the activation, in sentence-transformers' order: activation_fn of
/// config_sentence_transformers.json (read with modules.json alone), "sentence_transformers" of config.json, the old
/// "sbert_ce_default_activation_function" there; else sigmoid for one label, identity for several. `chat` is left to
/// whoever reads sentence_bert_config.json.
/// Throws Error{unsupported} for a model that gives vectors, saying what it is and what loads it; for modules beside
/// the Transformer but a LogitScore; and for an activation function of PyTorch that is not known.
ScoreSettings read_score_settings(const ModelParts& parts);

}  // namespace treble::internal
