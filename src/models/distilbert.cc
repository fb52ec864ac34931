// DistilBERT (Sanh et al., arXiv 1910.01108): BERT without token types, under names of its own.
#include "models/config_keys.h"
#include "models/family.h"

namespace treble::internal {

namespace {

EncoderConfig read_config(const JsonObject& json) {
  EncoderConfig config;
  config.vocab_size = json.integer("vocab_size").value_or(30522);
  config.hidden_size = read_size(json, {"hidden_size", "dim"}, 768);
  config.num_layers = read_size(json, {"num_hidden_layers", "n_layers"}, 6);
  config.num_heads = read_size(json, {"num_attention_heads", "n_heads"}, 12);
  config.intermediate_size = json.integer("hidden_dim").value_or(3072);
  config.num_positions = json.integer("max_position_embeddings").value_or(512);
  config.learned_positions = true;
  config.activation = read_activation(json, "activation");
  config.norm_eps = 1e-12;  // fixed in the published model, not in its config
  return config;
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
  return {{"distilbert"}, read_config, {names}};
}

}  // namespace treble::internal
