// Llama (Touvron et al., arXiv 2302.13971), Mistral (Jiang et al., arXiv 2310.06825), Qwen 2 and Qwen 3 (arXiv
// 2505.09388) as embedding models: causal pre-norm decoders read for their hidden states, usually that of the last
// token.
#include <algorithm>
#include <string>
#include <vector>

#include "base/fail.h"
#include "models/config_keys.h"
#include "models/family.h"
#include "models/rotary_keys.h"

namespace treble::internal {

namespace {

/// What a family's configuration class says where a key is absent, and which keys it looks at.
struct DecoderDefaults {
  std::int64_t vocab_size = 32000;
  std::int64_t intermediate_size = 11008;
  std::int64_t num_kv_heads = 0;  ///< 0: as many as heads
  std::int64_t head_dim = 0;      ///< 0: hidden_size / num_heads
  std::int64_t num_positions = 2048;
};

DecoderDefaults defaults_of(const std::string& model_type) {
  if (model_type == "mistral") return {.intermediate_size = 14336, .num_kv_heads = 8, .num_positions = 131072};
  if (model_type == "llama") return {};
  return {.vocab_size = 151936,
          .intermediate_size = 22016,
          .num_kv_heads = 32,
          .head_dim = model_type == "qwen3" ? 128 : 0,
          .num_positions = 32768};
}

/// Which layers have a local window: none of Llama's, all of Mistral's, Qwen's from one on; the last two may also say
/// it layer by layer.
std::vector<bool> read_local_layers(const JsonObject& json, const std::string& model_type, std::int64_t num_layers) {
  const auto count = static_cast<std::size_t>(num_layers);
  if (model_type == "llama") return std::vector<bool>(count, false);
  bool has_window = json.find("sliding_window") != nullptr || !json.contains("sliding_window");
  std::int64_t first = 0;
  if (model_type != "mistral") {
    has_window = json.boolean("use_sliding_window").value_or(false) && has_window;
    first = json.integer("max_window_layers").value_or(28);
  }
  std::vector<bool> local;
  local.reserve(count);
  for (std::int64_t layer = 0; layer < num_layers; ++layer) local.push_back(has_window && layer >= first);
  const auto stated = read_layer_types(json, num_layers);
  if (stated && !has_window && std::find(stated->begin(), stated->end(), true) != stated->end()) {
    fail_at(json, ErrorCode::invalid_file,
            R"("layer_types" has layers with a local window, but "sliding_window" is null or not in use)");
  }
  return stated.value_or(local);
}

void read_window(const JsonObject& json, const std::string& model_type, EncoderConfig& config) {
  config.window.layers = read_local_layers(json, model_type, config.num_layers);
  if (std::find(config.window.layers.begin(), config.window.layers.end(), true) == config.window.layers.end()) return;
  const std::int64_t window = json.integer("sliding_window").value_or(4096);
  // Causal, a window of w means the w last keys; both ways, w keys on each side.
  config.window.left = config.causal ? window - 1 : window;
  config.window.right = config.causal ? AttentionInputs::kUnlimited : window;
}

void read_biases(const JsonObject& json, const std::string& model_type, EncoderConfig& config) {
  config.qkv_bias = config.output_bias = config.up_bias = config.down_bias = false;
  if (model_type == "qwen2") config.qkv_bias = true;
  if (model_type == "llama" || model_type == "qwen3") {
    config.qkv_bias = config.output_bias = json.boolean("attention_bias").value_or(false);
  }
  if (model_type == "llama") config.up_bias = config.down_bias = json.boolean("mlp_bias").value_or(false);
}

EncoderConfig read_llama_config(const JsonObject& json) {
  const std::string model_type = json.required_string("model_type");
  const DecoderDefaults defaults = defaults_of(model_type);
  EncoderConfig config = read_sizes(json, {.vocab_size = defaults.vocab_size,
                                           .hidden_size = 4096,
                                           .num_layers = 32,
                                           .num_heads = 32,
                                           .intermediate_size = defaults.intermediate_size,
                                           .num_positions = defaults.num_positions});
  config.num_kv_heads = read_kv_heads(json, config.num_heads, defaults.num_kv_heads);
  config.head_dim = json.integer("head_dim").value_or(defaults.head_dim);
  read_rotary(json, {}, config);
  config.embedding_norm = false;
  config.norm_kind = NormKind::rms;
  config.norm_placement = NormPlacement::pre;
  config.norm_bias = false;
  config.final_norm = true;
  config.norm_eps = json.number("rms_norm_eps").value_or(1e-6);
  config.qk_norm = model_type == "qwen3";
  // gte-Qwen2 and its like attend both ways and say so here.
  config.causal = json.boolean("is_causal").value_or(true);
  if (config.causal && json.boolean("use_bidirectional_attention").value_or(false)) {
    fail_at(json, ErrorCode::unsupported,
            "\"use_bidirectional_attention\" is true, which transformers does not know in a {} model: it would attend "
            "causally, the model's own code perhaps both ways; write \"is_causal\": false for the latter",
            model_type);
  }
  read_biases(json, model_type, config);
  config.activation = read_activation(json, "hidden_act", "silu");
  config.gated = true;
  read_window(json, model_type, config);
  return config;
}

}  // namespace

WeightNames llama_names(const std::vector<std::string>& prefixes) {
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
  names.gate = "layers.{}.mlp.gate_proj";
  names.up = "layers.{}.mlp.up_proj";
  names.down = "layers.{}.mlp.down_proj";
  names.feed_forward_norm = "layers.{}.post_attention_layernorm";
  return names;
}

Family llama_family() {
  Family family{{"llama", "mistral", "qwen2", "qwen3"}, read_llama_config, {llama_names({"model."})}};
  family.read_head = decoder_head;
  family.read_language_head = language_head;
  return family;
}

}  // namespace treble::internal
