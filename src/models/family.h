// A family of encoders: how its config.json reads and where its tensors are. A family file fills this in and computes
// nothing; docs/adding-a-family.md walks through one.
#pragma once

#include <string>
#include <vector>

#include "base/json_file.h"
#include "models/encoder_config.h"
#include "models/head_config.h"
#include "models/weight_names.h"

namespace treble::internal {

struct Family {
  std::vector<std::string> model_types;  ///< of config.json
  EncoderConfig (*read_config)(const JsonObject& json);
  /// The forms in which its checkpoints come; the first whose word embeddings are there holds.
  std::vector<WeightNames> names;
  /// For families that share a model_type: whether this config is one of theirs. nullptr: all are.
  bool (*claims)(const JsonObject& json) = nullptr;
  /// Of its models for sequence classification. nullptr: the family's are not known.
  HeadConfig (*read_head)(const JsonObject& json) = nullptr;
  /// Of its models for masked language modelling. nullptr: the family's are not known.
  MaskedLmHeadConfig (*read_masked_lm_head)(const JsonObject& json) = nullptr;
  /// Of its models for predicting tokens, of which a reranker takes some logits. nullptr: the family's are not known.
  HeadConfig (*read_language_head)(const JsonObject& json) = nullptr;
  /// Whether read_config obeys "per_layer_config" or refuses it; for all other families it is refused.
  bool reads_layer_configs = false;
};

/// BERT's pooler and classifier, as several families have them.
HeadConfig pooler_head(const JsonObject& json);
/// RoBERTa's: a classifier of two layers.
HeadConfig two_layer_head(const JsonObject& json);

/// BERT's for masked language modelling, and RoBERTa's, as several families have them.
MaskedLmHeadConfig bert_masked_lm_head(const JsonObject& json);
MaskedLmHeadConfig roberta_masked_lm_head(const JsonObject& json);
/// Of decoders for sequence classification: one layer over the last token.
HeadConfig decoder_head(const JsonObject& json);
/// Of decoders that predict tokens.
HeadConfig language_head(const JsonObject& json);

/// The names that transformers' own NomicBERT and GTE share: Llama's, with norms after each half.
WeightNames native_gated_names(const std::vector<std::string>& prefixes);

/// Gemma 3's, which its followers share.
WeightNames gemma_names(const std::vector<std::string>& prefixes);

/// Llama's own, which EuroBERT and UltraBERT share.
WeightNames llama_names(const std::vector<std::string>& prefixes);

Family bert_family();
Family roberta_family();
Family distilbert_family();
Family mpnet_family();
Family electra_family();
Family albert_family();
Family deberta_v2_family();
Family t5_family();  ///< T5, mT5
Family umt5_family();
Family nomic_bert_family();
Family jina_bert_family();
Family jina_v3_family();
Family gte_new_family();
Family modernbert_family();
Family gemma3_family();
Family embedding_gemma2_family();
Family llama_family();  ///< Llama, Mistral, Qwen 2, Qwen 3
Family eurobert_family();
Family ultrabert_family();
Family mamba2_family();

}  // namespace treble::internal
