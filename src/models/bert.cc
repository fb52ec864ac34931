// BERT (Devlin et al., arXiv 1810.04805) and ELECTRA (Clark et al., arXiv 2003.10555), whose embeddings may be narrower
// than its layers.
#include "models/config_keys.h"
#include "models/family.h"

namespace treble::internal {

namespace {

WeightNames bert_names() {
  WeightNames names;
  names.prefixes = {"bert.", "model."};
  names.word_embeddings = "embeddings.word_embeddings";
  names.position_embeddings = "embeddings.position_embeddings";
  names.token_type_embeddings = "embeddings.token_type_embeddings";
  names.embedding_norm = "embeddings.LayerNorm";
  names.query = "encoder.layer.{}.attention.self.query";
  names.key = "encoder.layer.{}.attention.self.key";
  names.value = "encoder.layer.{}.attention.self.value";
  names.attention_output = "encoder.layer.{}.attention.output.dense";
  names.attention_norm = "encoder.layer.{}.attention.output.LayerNorm";
  names.up = "encoder.layer.{}.intermediate.dense";
  names.down = "encoder.layer.{}.output.dense";
  names.feed_forward_norm = "encoder.layer.{}.output.LayerNorm";
  return names;
}

EncoderConfig read_bert_config(const JsonObject& json) {
  require_value(json, "position_embedding_type", "absolute");
  return read_bert_like_config(json);
}

EncoderConfig read_electra_config(const JsonObject& json) {
  require_value(json, "position_embedding_type", "absolute");
  EncoderConfig config =
      read_bert_like_config(json, {.sizes = {.hidden_size = 256, .num_heads = 4, .intermediate_size = 1024}});
  config.embedding_size = json.integer("embedding_size").value_or(128);
  return config;
}

/// Not tanh, as elsewhere.
HeadConfig electra_head(const JsonObject& json) {
  HeadConfig head = two_layer_head(json);
  head.activation = Activation::gelu;
  return head;
}

/// Of its generators.
MaskedLmHeadConfig electra_masked_lm_head(const JsonObject& json) {
  return {.dense = "generator_predictions.dense",
          .norm = "generator_predictions.LayerNorm",
          .norm_eps = json.number("layer_norm_eps").value_or(1e-12),
          .decoder = "generator_lm_head"};
}

}  // namespace

HeadConfig pooler_head(const JsonObject& /*json*/) { return {.dense = "pooler.dense"}; }

HeadConfig two_layer_head(const JsonObject& /*json*/) {
  return {.dense = "classifier.dense", .classifier = "classifier.out_proj"};
}

MaskedLmHeadConfig bert_masked_lm_head(const JsonObject& json) {
  return {.dense = "cls.predictions.transform.dense",
          .activation = read_activation(json, "hidden_act"),
          .norm = "cls.predictions.transform.LayerNorm",
          .norm_eps = json.number("layer_norm_eps").value_or(1e-12),
          .decoder = "cls.predictions.decoder",
          .tied_bias = "cls.predictions.bias"};
}

Family bert_family() { return {{"bert"}, read_bert_config, {bert_names()}, nullptr, pooler_head, bert_masked_lm_head}; }

Family electra_family() {
  WeightNames names = bert_names();
  names.prefixes = {"electra.", "model."};
  names.embedding_projection = "embeddings_project";
  return {{"electra"}, read_electra_config, {names}, nullptr, electra_head, electra_masked_lm_head};
}

}  // namespace treble::internal
