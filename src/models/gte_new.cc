// GTE's "new" encoder (Zhang et al., mGTE, arXiv 2407.19669): BERT's post-norm blocks with rotary positions under a
// fixed NTK scaling, packed query-key-value weights and a gated feed-forward network.
#include "models/config_keys.h"
#include "models/family.h"

namespace treble {

namespace {

EncoderConfig read_config(const JsonObject& json) {
  require_value(json, "position_embedding_type", "rope");
  require_value(json, "layer_norm_type", "layer_norm");
  require_flag(json, "logn_attention_scale", false);
  require_flag(json, "pack_qkv", true);
  EncoderConfig config = read_bert_like_config(json);
  config.learned_positions = false;
  config.rotary = read_rotary(json, 10000, "full_attention");
  // Its scaling applies from the first token on and stretches what the model is trained for.
  config.num_positions =
      static_cast<std::int64_t>(static_cast<double>(config.num_positions) * config.rotary.ntk_factor);
  config.num_token_types = json.integer("type_vocab_size").value_or(0);
  config.gated = true;
  config.up_bias = false;
  return config;
}

}  // namespace

Family gte_new_family() {
  WeightNames names;
  names.prefixes = {"new.", "model."};
  names.word_embeddings = "embeddings.word_embeddings";
  names.token_type_embeddings = "embeddings.token_type_embeddings";
  names.embedding_norm = "embeddings.LayerNorm";
  names.qkv = "encoder.layer.{}.attention.qkv_proj";
  names.attention_output = "encoder.layer.{}.attention.o_proj";
  names.attention_norm = "encoder.layer.{}.attn_ln";
  names.gate_up = "encoder.layer.{}.mlp.up_gate_proj";
  names.gate_first = false;
  names.down = "encoder.layer.{}.mlp.down_proj";
  names.feed_forward_norm = "encoder.layer.{}.mlp_ln";
  return {{"new", "gte"}, read_config, {names}};
}

}  // namespace treble
