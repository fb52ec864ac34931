// Gemma 3 text (arXiv 2503.19786) as EmbeddingGemma (arXiv 2509.20354) uses it: attention both ways, norms before and
// inside each sublayer, QK-norm, most layers with a local window and a rotary base of their own.
#include <algorithm>
#include <cmath>

#include "base/fail.h"
#include "models/config_keys.h"
#include "models/family.h"
#include "models/rotary_keys.h"

namespace treble::internal {

namespace {

void read_window(const JsonObject& json, EncoderConfig& config) {
  if (const auto layers = read_layer_types(json, config.num_layers)) {
    config.window.layers = *layers;
  } else {
    const std::int64_t pattern = read_divisor(json, "sliding_window_pattern", 6);
    for (std::int64_t layer = 0; layer < config.num_layers; ++layer) {
      config.window.layers.push_back((layer + 1) % pattern != 0);
    }
  }
  const bool local =
      std::find(config.window.layers.begin(), config.window.layers.end(), true) != config.window.layers.end();
  if (local && json.contains("sliding_window") && json.find("sliding_window") == nullptr) {
    fail_at(json, ErrorCode::invalid_file, "\"sliding_window\" is null, but there are layers with a local window");
  }
  const std::int64_t window = json.integer("sliding_window").value_or(4096);
  // Both ways, a window of w means w / 2 keys on each side; causal, the w last keys.
  const bool both_ways = json.boolean("use_bidirectional_attention").value_or(false);
  config.window.left = both_ways ? window / 2 : window - 1;
  config.window.right = both_ways ? window / 2 : AttentionInputs::kUnlimited;
  if (!json.boolean("is_causal").value_or(true)) {
    config.window.left = config.window.right = both_ways ? window / 2 + 1 : window;
  }
}

EncoderConfig read_gemma3_config(const JsonObject& json) {
  EncoderConfig config = read_sizes(json, {.vocab_size = 262208,
                                           .hidden_size = 2304,
                                           .num_layers = 26,
                                           .num_heads = 8,
                                           .intermediate_size = 9216,
                                           .num_positions = 131072});
  config.num_kv_heads = read_kv_heads(json, config.num_heads, 4);
  config.head_dim = json.integer("head_dim").value_or(256);
  config.causal =
      !json.boolean("use_bidirectional_attention").value_or(false) && json.boolean("is_causal").value_or(true);
  read_rotary_by_layer(json,
                       {.base_key = "rope_theta",
                        .base = 1e6,
                        .local_base_key = "rope_local_base_freq",
                        .local_base = 1e4,
                        .scales_local = false},
                       config);
  config.embedding_norm = false;
  config.embedding_scale = std::sqrt(static_cast<double>(config.hidden_size));
  config.norm_kind = NormKind::rms;
  config.norm_placement = NormPlacement::sandwich;
  config.norm_bias = false;
  config.norm_plus_one = true;
  config.final_norm = true;
  config.qk_norm = true;
  config.norm_eps = json.number("rms_norm_eps").value_or(1e-6);
  const double scalar = json.number("query_pre_attn_scalar").value_or(256);
  if (!(scalar > 0)) {
    fail_at(json, ErrorCode::invalid_file, "\"query_pre_attn_scalar\" is {}, it must be above 0", scalar);
  }
  config.qk_scale = 1 / std::sqrt(scalar);
  if (const auto cap = json.number("attn_logit_softcapping")) {
    fail_at(json, ErrorCode::unsupported, "\"attn_logit_softcapping\" is {}; only null is supported", *cap);
  }
  const bool bias = json.boolean("attention_bias").value_or(false);
  config.qkv_bias = config.output_bias = bias;
  config.up_bias = config.down_bias = false;
  config.activation = read_activation(json, "hidden_activation", "gelu_pytorch_tanh");
  config.gated = true;
  read_window(json, config);
  return config;
}

}  // namespace

WeightNames gemma_names(const std::vector<std::string>& prefixes) {
  WeightNames names;
  names.prefixes = prefixes;
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
  return names;
}

Family gemma3_family() {
  Family family{{"gemma3_text"}, read_gemma3_config, {gemma_names({"model.", "language_model.model."})}};
  family.read_head = decoder_head;
  family.read_language_head = language_head;
  return family;
}

}  // namespace treble::internal
