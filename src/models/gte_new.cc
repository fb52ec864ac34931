// GTE's "new" encoder (Zhang et al., mGTE, arXiv 2407.19669): BERT's post-norm blocks with rotary positions under a
// fixed NTK scaling, packed query-key-value weights and a gated feed-forward network.
#include "models/config_keys.h"
#include "models/family.h"
#include "models/rotary_keys.h"

namespace treble::internal {

namespace {

EncoderConfig read_gte_new_config(const JsonObject& json) {
  const bool native = json.string("model_type").value_or("") == "gte";
  require_value(json, "position_embedding_type", "rope");
  require_value(json, "layer_norm_type", "layer_norm");
  require_flag(json, "logn_attention_scale", false);
  require_flag(json, "pack_qkv", true);
  EncoderConfig config = read_bert_like_config(
      json,
      {.sizes = {.vocab_size = native ? 250048 : 30528, .num_positions = native ? 8192 : 2048}, .num_token_types = 1});
  config.learned_positions = false;
  config.head_dim = json.integer("head_dim").value_or(0);
  read_rotary(json, {.base = native ? 160000.0 : 10000.0, .fixed_ntk = true}, config);
  // GTE's own scaling applies from the first token on and stretches what the model is trained for.
  if (config.rotary.scaling == RotaryScaling::ntk) {
    config.num_positions = static_cast<std::int64_t>(static_cast<double>(config.num_positions) * config.rotary.factor);
  }
  config.gated = true;
  config.up_bias = false;
  return config;
}

/// Under the names of the published code, which transformers writes too. In its own form the activation is no setting.
MaskedLmHeadConfig gte_masked_lm_head(const JsonObject& json) {
  const bool own = model_type_of(json) == "gte";
  return {.dense = "lm_head.dense",
          .activation = own ? Activation::gelu : read_activation(json, "hidden_act"),
          .norm = "lm_head.norm",
          .norm_eps = json.number("layer_norm_eps").value_or(1e-12),
          .decoder = "lm_head.decoder"};
}

}  // namespace

WeightNames native_gated_names(const std::vector<std::string>& prefixes) {
  WeightNames names;
  names.prefixes = prefixes;
  names.word_embeddings = "embeddings.word_embeddings";
  names.token_type_embeddings = "embeddings.token_type_embeddings";
  names.embedding_norm = "embeddings.LayerNorm";
  names.query = "layers.{}.self_attn.q_proj";
  names.key = "layers.{}.self_attn.k_proj";
  names.value = "layers.{}.self_attn.v_proj";
  names.attention_output = "layers.{}.self_attn.o_proj";
  names.attention_norm = "layers.{}.post_attention_layernorm";
  names.gate = "layers.{}.mlp.gate_proj";
  names.up = "layers.{}.mlp.up_proj";
  names.down = "layers.{}.mlp.down_proj";
  names.feed_forward_norm = "layers.{}.post_mlp_layernorm";
  return names;
}

Family gte_new_family() {
  WeightNames names;
  names.prefixes = {"new.", "gte.", "model."};
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
  return {{"new", "gte"}, read_gte_new_config, {names, native_gated_names(names.prefixes)},
          nullptr,        pooler_head,         gte_masked_lm_head};
}

}  // namespace treble::internal
