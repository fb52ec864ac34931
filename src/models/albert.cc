// ALBERT (Lan et al., arXiv 1909.11942): one set of weights for a group of layers, and narrow embeddings.
#include "base/fail.h"
#include "models/config_keys.h"
#include "models/family.h"

namespace treble::internal {

namespace {

EncoderConfig read_albert_config(const JsonObject& json) {
  require_value(json, "position_embedding_type", "absolute");
  if (json.integer("inner_group_num").value_or(1) != 1) {
    fail_at(json, ErrorCode::unsupported, "\"inner_group_num\" is {}; only 1 is supported",
            json.required_integer("inner_group_num"));
  }
  EncoderConfig config = read_bert_like_config(
      json, {.sizes = {.vocab_size = 30000, .hidden_size = 4096, .num_heads = 64, .intermediate_size = 16384},
             .activation = "gelu_new"});
  config.embedding_size = json.integer("embedding_size").value_or(128);
  config.always_projects_embeddings = true;
  config.num_layer_groups = read_divisor(json, "num_hidden_groups", 1);
  return config;
}

MaskedLmHeadConfig albert_masked_lm_head(const JsonObject& json) {
  return {.dense = "predictions.dense",
          .activation = read_activation(json, "hidden_act", "gelu_new"),
          .norm = "predictions.LayerNorm",
          .norm_eps = json.number("layer_norm_eps").value_or(1e-12),
          .decoder = "predictions.decoder",
          .tied_bias = "predictions.bias"};
}

HeadConfig albert_head(const JsonObject& /*json*/) { return {.dense = "pooler"}; }

}  // namespace

Family albert_family() {
  WeightNames names;
  names.prefixes = {"albert.", "model."};
  names.word_embeddings = "embeddings.word_embeddings";
  names.position_embeddings = "embeddings.position_embeddings";
  names.token_type_embeddings = "embeddings.token_type_embeddings";
  names.embedding_norm = "embeddings.LayerNorm";
  names.embedding_projection = "encoder.embedding_hidden_mapping_in";
  const std::string layer = "encoder.albert_layer_groups.{}.albert_layers.0.";
  names.query = layer + "attention.query";
  names.key = layer + "attention.key";
  names.value = layer + "attention.value";
  names.attention_output = layer + "attention.dense";
  names.attention_norm = layer + "attention.LayerNorm";
  names.up = layer + "ffn";
  names.down = layer + "ffn_output";
  names.feed_forward_norm = layer + "full_layer_layer_norm";
  return {{"albert"}, read_albert_config, {names}, nullptr, albert_head, albert_masked_lm_head};
}

}  // namespace treble::internal
