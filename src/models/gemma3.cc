// Gemma 3 text (arXiv 2503.19786) as EmbeddingGemma (arXiv 2509.20354) uses it: attention both ways, norms before and
// inside each half, QK-norm, most layers with a local window and a rotary base of their own.
#include <cmath>

#include "base/fail.h"
#include "models/config_keys.h"
#include "models/family.h"

namespace treble {

namespace {

void read_window(const JsonObject& json, EncoderConfig& config) {
  const std::int64_t window = json.integer("sliding_window").value_or(4096);
  // Both ways, a window of w means w / 2 keys on each side; causal, the w last keys.
  config.window.back = config.causal ? window - 1 : window / 2;
  config.window.ahead = config.causal ? AttentionInputs::kUnlimited : window / 2;
  if (const auto layers = read_layer_types(json, config.num_layers)) {
    config.window.layers = *layers;
    return;
  }
  const std::int64_t pattern =
      json.integer("_sliding_window_pattern").value_or(json.integer("sliding_window_pattern").value_or(6));
  if (pattern < 1) {
    fail(ErrorCode::invalid_file, "{}: the pattern of sliding windows is {}, it must be at least 1", json.origin(),
         pattern);
  }
  for (std::int64_t layer = 0; layer < config.num_layers; ++layer) {
    config.window.layers.push_back((layer + 1) % pattern != 0);
  }
}

EncoderConfig read_config(const JsonObject& json) {
  EncoderConfig config;
  config.vocab_size = json.required_integer("vocab_size");
  config.hidden_size = json.required_integer("hidden_size");
  config.num_layers = read_num_layers(json, "num_hidden_layers");
  config.num_heads = json.required_integer("num_attention_heads");
  config.num_kv_heads = json.integer("num_key_value_heads").value_or(config.num_heads);
  config.head_dim = json.integer("head_dim").value_or(256);
  config.intermediate_size = json.required_integer("intermediate_size");
  config.num_positions = json.integer("max_position_embeddings").value_or(131072);
  config.causal = !json.boolean("use_bidirectional_attention").value_or(false);
  config.rotary = read_rotary(json, 1e6, "full_attention");
  config.rotary.local_base =
      json.number("rope_local_base_freq").value_or(read_rotary(json, 1e4, "sliding_attention").base);
  config.embedding_norm = false;
  config.embedding_scale = std::sqrt(static_cast<double>(config.hidden_size));
  config.norm_kind = NormKind::rms;
  config.norm_placement = NormPlacement::sandwich;
  config.norm_bias = false;
  config.norm_plus_one = true;
  config.final_norm = true;
  config.qk_norm = true;
  config.norm_eps = json.number("rms_norm_eps").value_or(1e-6);
  config.qk_scale = 1 / std::sqrt(json.number("query_pre_attn_scalar").value_or(256));
  const bool bias = json.boolean("attention_bias").value_or(false);
  config.qkv_bias = config.output_bias = bias;
  config.up_bias = config.down_bias = false;
  config.activation = read_activation(json, "hidden_activation", "gelu_pytorch_tanh");
  config.gated = true;
  read_window(json, config);
  return config;
}

}  // namespace

Family gemma3_family() {
  WeightNames names;
  names.prefixes = {"model.", "language_model.model."};
  names.word_embeddings = "embed_tokens";
  names.final_norm = "norm";
  names.query = "layers.{}.self_attn.q_proj";
  names.key = "layers.{}.self_attn.k_proj";
  names.value = "layers.{}.self_attn.v_proj";
  names.query_norm = "layers.{}.self_attn.q_norm";
  names.key_norm = "layers.{}.self_attn.k_norm";
  names.attention_output = "layers.{}.self_attn.o_proj";
  names.attention_norm = "layers.{}.input_layernorm";
  names.attention_result_norm = "layers.{}.post_attention_layernorm";
  names.gate = "layers.{}.mlp.gate_proj";
  names.up = "layers.{}.mlp.up_proj";
  names.down = "layers.{}.mlp.down_proj";
  names.feed_forward_norm = "layers.{}.pre_feedforward_layernorm";
  names.feed_forward_result_norm = "layers.{}.post_feedforward_layernorm";
  return {{"gemma3_text"}, read_config, {names}};
}

}  // namespace treble
