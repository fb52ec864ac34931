// ModernBERT (Warner et al., arXiv 2412.13663): pre-norm, rotary positions, gated feed-forward; two of three layers see
// a local window only and have a rotary base of their own.
#include "base/fail.h"
#include "models/config_keys.h"
#include "models/family.h"

namespace treble {

namespace {

EncoderConfig read_config(const JsonObject& json) {
  EncoderConfig config;
  config.vocab_size = json.required_integer("vocab_size");
  config.hidden_size = json.required_integer("hidden_size");
  config.num_layers = read_num_layers(json, "num_hidden_layers");
  config.num_heads = json.required_integer("num_attention_heads");
  config.intermediate_size = json.required_integer("intermediate_size");
  config.num_positions = json.integer("max_position_embeddings").value_or(8192);
  config.rotary = read_rotary(json, json.number("global_rope_theta").value_or(160000), "full_attention");
  config.rotary.local_base =
      json.number("local_rope_theta").value_or(read_rotary(json, 10000, "sliding_attention").base);
  const std::int64_t half_window = json.integer("local_attention").value_or(128) / 2;
  config.window.back = config.window.ahead = half_window;
  if (const auto layers = read_layer_types(json, config.num_layers)) {
    config.window.layers = *layers;
  } else {
    const std::int64_t every = json.integer("global_attn_every_n_layers").value_or(3);
    if (every < 1) {
      fail(ErrorCode::invalid_file, "{}: \"global_attn_every_n_layers\" is {}, it must be at least 1", json.origin(),
           every);
    }
    for (std::int64_t layer = 0; layer < config.num_layers; ++layer) config.window.layers.push_back(layer % every != 0);
  }
  config.norm_placement = NormPlacement::pre;
  config.norm_bias = json.boolean("norm_bias").value_or(false);
  config.first_attention_norm = false;
  config.final_norm = true;
  config.norm_eps = json.number("norm_eps").value_or(1e-5);
  config.qkv_bias = config.output_bias = json.boolean("attention_bias").value_or(false);
  config.up_bias = config.down_bias = json.boolean("mlp_bias").value_or(false);
  config.activation = read_activation(json, "hidden_activation");
  config.gated = true;
  return config;
}

}  // namespace

Family modernbert_family() {
  WeightNames names;
  names.prefixes = {"model."};
  names.word_embeddings = "embeddings.tok_embeddings";
  names.embedding_norm = "embeddings.norm";
  names.final_norm = "final_norm";
  names.qkv = "layers.{}.attn.Wqkv";
  names.attention_output = "layers.{}.attn.Wo";
  names.attention_norm = "layers.{}.attn_norm";
  names.gate_up = "layers.{}.mlp.Wi";
  names.down = "layers.{}.mlp.Wo";
  names.feed_forward_norm = "layers.{}.mlp_norm";
  return {{"modernbert"}, read_config, {names}};
}

}  // namespace treble
