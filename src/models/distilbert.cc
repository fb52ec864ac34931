// DistilBERT (Sanh et al., arXiv 1910.01108): BERT without token types, under names of its own.
#include "models/config_keys.h"
#include "models/family.h"

namespace treble::internal {

namespace {

EncoderConfig read_distilbert_config(const JsonObject& json) {
  EncoderConfig config = read_sizes(json, {.num_layers = 6},
                                    {.hidden_size = {"hidden_size", "dim"},
                                     .num_layers = {"num_hidden_layers", "n_layers"},
                                     .num_heads = {"num_attention_heads", "n_heads"},
                                     .intermediate_size = {"hidden_dim"}});
  config.learned_positions = true;
  config.activation = read_activation(json, "activation");
  config.norm_eps = 1e-12;  // fixed in the published model, not in its config
  return config;
}

HeadConfig distilbert_head(const JsonObject& /*json*/) {
  return {.dense = "pre_classifier", .activation = Activation::relu};
}

MaskedLmHeadConfig distilbert_masked_lm_head(const JsonObject& json) {
  return {.dense = "vocab_transform",
          .activation = read_activation(json, "activation"),
          .norm = "vocab_layer_norm",
          .decoder = "vocab_projector"};
}

}  // namespace

Family distilbert_family() {
  WeightNames names;
  names.prefixes = {"distilbert.", "model."};
  names.word_embeddings = "embeddings.word_embeddings";
  names.position_embeddings = "embeddings.position_embeddings";
  names.embedding_norm = "embeddings.LayerNorm";
  names.query = "transformer.layer.{}.attention.q_lin";
  names.key = "transformer.layer.{}.attention.k_lin";
  names.value = "transformer.layer.{}.attention.v_lin";
  names.attention_output = "transformer.layer.{}.attention.out_lin";
  names.attention_norm = "transformer.layer.{}.sa_layer_norm";
  names.up = "transformer.layer.{}.ffn.lin1";
  names.down = "transformer.layer.{}.ffn.lin2";
  names.feed_forward_norm = "transformer.layer.{}.output_layer_norm";
  return {{"distilbert"}, read_distilbert_config, {names}, nullptr, distilbert_head, distilbert_masked_lm_head};
}

}  // namespace treble::internal
