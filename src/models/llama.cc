// Llama (Touvron et al., arXiv 2302.13971), Mistral (Jiang et al., arXiv 2310.06825), Qwen 2 and Qwen 3 (arXiv
// 2505.09388) as embedding models: causal pre-norm decoders read for their hidden states, usually that of the last
// token.
#include <algorithm>

#include "models/config_keys.h"
#include "models/family.h"

namespace treble {

namespace {

void read_window(const JsonObject& json, const std::string& model_type, EncoderConfig& config) {
  const auto window = json.integer("sliding_window");
  const bool qwen = model_type.starts_with("qwen");
  if (!window || (qwen && !json.boolean("use_sliding_window").value_or(false))) return;
  config.window.back = *window - 1;
  config.window.ahead = AttentionInputs::kUnlimited;
  if (const auto layers = read_layer_types(json, config.num_layers)) {
    config.window.layers = *layers;
    return;
  }
  const std::int64_t first = qwen ? json.integer("max_window_layers").value_or(0) : 0;
  for (std::int64_t layer = 0; layer < config.num_layers; ++layer) config.window.layers.push_back(layer >= first);
}

EncoderConfig read_config(const JsonObject& json) {
  const std::string model_type = json.required_string("model_type");
  EncoderConfig config;
  config.vocab_size = json.required_integer("vocab_size");
  config.hidden_size = json.required_integer("hidden_size");
  config.num_layers = read_num_layers(json, "num_hidden_layers");
  config.num_heads = json.required_integer("num_attention_heads");
  config.num_kv_heads = json.integer("num_key_value_heads").value_or(config.num_heads);
  config.head_dim = json.integer("head_dim").value_or(0);
  config.intermediate_size = json.required_integer("intermediate_size");
  config.num_positions = json.integer("max_position_embeddings").value_or(2048);
  config.rotary = read_rotary(json, 10000, "full_attention");
  config.embedding_norm = false;
  config.norm_kind = NormKind::rms;
  config.norm_placement = NormPlacement::pre;
  config.norm_bias = false;
  config.final_norm = true;
  config.norm_eps = json.number("rms_norm_eps").value_or(1e-6);
  config.qk_norm = model_type == "qwen3";
  // gte-Qwen2 and its like attend both ways and say so here.
  config.causal = json.boolean("is_causal").value_or(true);
  const bool attention_bias = json.boolean("attention_bias").value_or(false);
  config.qkv_bias = model_type == "qwen2" || attention_bias;
  config.output_bias = model_type != "qwen2" && attention_bias;
  config.up_bias = config.down_bias = json.boolean("mlp_bias").value_or(false);
  config.activation = read_activation(json, "hidden_act", "silu");
  config.gated = true;
  read_window(json, model_type, config);
  return config;
}

}  // namespace

Family llama_family() {
  WeightNames names;
  names.prefixes = {"model."};
  names.word_embeddings = "embed_tokens";
  names.final_norm = "norm";
  names.query = "layers.{}.self_attn.q_proj";
  names.key = "layers.{}.self_attn.k_proj";
  names.value = "layers.{}.self_attn.v_proj";
  names.query_norm = "layers.{}.self_attn.q_norm";
  names.key_norm = "layers.{}.self_attn.k_norm";
  names.attention_output = "layers.{}.self_attn.o_proj";
  names.attention_norm = "layers.{}.input_layernorm";
  names.gate = "layers.{}.mlp.gate_proj";
  names.up = "layers.{}.mlp.up_proj";
  names.down = "layers.{}.mlp.down_proj";
  names.feed_forward_norm = "layers.{}.post_attention_layernorm";
  return {{"llama", "mistral", "qwen2", "qwen3"}, read_config, {names}};
}

}  // namespace treble
