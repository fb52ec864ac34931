// EmbeddingGemma 2, the text tower: Gemma's blocks attending both ways with per-layer inputs that are projected from
// the embeddings, wider heads in the layers that see everything, and a projection after the final norm. Read as
// transformers' EmbeddingGemma2TextModel computes it.
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <optional>
#include <string>
#include <vector>

#include "base/fail.h"
#include "models/config_keys.h"
#include "models/family.h"
#include "models/rotary_keys.h"

namespace treble::internal {

namespace {

/// Which layers have a local window. The last never has, whatever config.json says.
std::vector<bool> read_local_layer_types(const JsonObject& json, EncoderConfig& config) {
  std::vector<bool> local;
  if (const auto stated = read_layer_types(json, config.num_layers)) {
    local = *stated;
  } else {
    const std::int64_t pattern = read_divisor(json, "sliding_window_pattern", 6);
    for (std::int64_t layer = 0; layer < config.num_layers; ++layer) local.push_back((layer + 1) % pattern != 0);
  }
  if (local.back()) {
    local.back() = false;
    config.warnings.push_back(
        fmt::format("{}: the last layer attends to everything, not to a local window as its layer type would have it, "
                    "as in transformers",
                    json.origin()));
  }
  return local;
}

/// What "per_layer_config" says of one layer.
HeadSizes read_layer_heads(const JsonObject& layer, HeadSizes heads) {
  heads.width = read_divisor(layer, "head_dim", heads.width);
  heads.kv_heads = read_divisor(layer, "num_key_value_heads", heads.kv_heads);
  if (const auto others = layer.unread_keys(); !others.empty()) {
    fail_at(layer, ErrorCode::unsupported,
            R"("{:.60}" is not supported; of a single layer only "head_dim" and "num_key_value_heads" are)",
            others.front());
  }
  return heads;
}

std::int64_t layer_number(const JsonObject& layers, const std::string& key, std::int64_t num_layers) {
  std::int64_t layer = -1;
  const auto [end, error] = std::from_chars(key.data(), key.data() + key.size(), layer);
  if (error == std::errc() && end == key.data() + key.size() && layer >= 0 && layer < num_layers) return layer;
  fail_at(layers, ErrorCode::invalid_file, "\"{:.60}\" is not the number of a layer, 0 to {}", key, num_layers - 1);
}

/// Of every layer: "per_layer_config", or where it is absent wider heads in the layers that see everything.
std::vector<HeadSizes> read_heads(const JsonObject& json, const EncoderConfig& config) {
  const HeadSizes common{config.head_dim, config.num_kv_heads};
  std::vector<HeadSizes> heads(static_cast<std::size_t>(config.num_layers), common);
  const HeadSizes global{read_divisor(json, "global_head_dim", 512),
                         read_divisor(json, "num_global_key_value_heads", 1)};
  if (!json.contains("per_layer_config")) {
    for (std::size_t layer = 0; layer < heads.size(); ++layer) {
      if (!config.window.layers[layer]) heads[layer] = global;
    }
    return heads;
  }
  const nlohmann::json* stated = json.find("per_layer_config");
  if (stated == nullptr) return heads;
  const auto layers = JsonObject::from_value(*stated, json.origin() + ": per_layer_config", json.file());
  for (const auto& [key, value] : layers.value().items()) {
    const std::int64_t number = layer_number(layers, key, config.num_layers);
    const auto layer = JsonObject::from_value(value, fmt::format("{}: layer {}", layers.origin(), number), json.file());
    heads[static_cast<std::size_t>(number)] = read_layer_heads(layer, common);
  }
  return heads;
}

/// Layers of one kind share their rotary frequencies, so their heads are equally wide.
void set_heads(const JsonObject& json, EncoderConfig& config) {
  const std::vector<HeadSizes> heads = read_heads(json, config);
  std::optional<HeadSizes> full;
  for (std::size_t layer = 0; layer < heads.size(); ++layer) {
    std::optional<HeadSizes>& kind = config.window.layers[layer] ? config.local_heads : full;
    if (!kind) kind = heads[layer];
    if (kind->width == heads[layer].width && kind->kv_heads == heads[layer].kv_heads) continue;
    fail_at(json, ErrorCode::unsupported,
            "layer {} has heads of {} on {} key-value heads, another layer of its type {} on {}; the layers of a type "
            "must be alike",
            layer, heads[layer].width, heads[layer].kv_heads, kind->width, kind->kv_heads);
  }
  if (!full) return;  // The last layer is one of these.
  config.head_dim = full->width;
  config.num_kv_heads = full->kv_heads;
}

void read_block(const JsonObject& json, EncoderConfig& config) {
  config.embedding_norm = false;
  config.embedding_scale = std::sqrt(static_cast<double>(config.hidden_size));
  config.norm_kind = NormKind::rms;
  config.norm_placement = NormPlacement::sandwich;
  config.norm_bias = false;
  config.final_norm = true;
  config.norm_eps = json.number("rms_norm_eps").value_or(1e-6);
  config.qk_norm = config.value_norm = true;
  config.qk_scale = 1;
  config.qkv_bias = config.output_bias = json.boolean("attention_bias").value_or(false);
  config.up_bias = config.down_bias = false;
  config.activation = read_activation(json, "hidden_activation", "gelu_pytorch_tanh");
  config.gated = true;
  config.per_layer_width = read_divisor(json, "hidden_size_per_layer_input", 512);
  config.layer_scale = true;
  config.output_size = read_divisor(json, "embedding_dim", 768);
}

EncoderConfig read_text_config(const JsonObject& json) {
  EncoderConfig config = read_sizes(json, {.vocab_size = 262144,
                                           .hidden_size = 512,
                                           .num_layers = 24,
                                           .num_heads = 4,
                                           .intermediate_size = 2048,
                                           .num_positions = 262144});
  config.num_kv_heads = read_kv_heads(json, config.num_heads, 2);
  config.head_dim = read_divisor(json, "head_dim", 256);
  config.window.layers = read_local_layer_types(json, config);
  // A radius, the key at that distance included.
  config.window.left = config.window.right = json.integer("sliding_window").value_or(512);
  set_heads(json, config);
  if (const nlohmann::json* scaling = json.find("rope_scaling"); scaling != nullptr && !scaling->empty()) {
    fail_at(json, ErrorCode::unsupported,
            R"("rope_scaling" is not known to EmbeddingGemma 2; write "rope_parameters" by layer type)");
  }
  read_rotary_by_layer(json, {.base = 1e6, .local_base = 1e4}, config);
  read_block(json, config);
  return config;
}

/// The tokens in whose place images, videos and sounds go. Where there are none, transformers reads them as padding.
PlaceholderTokens read_placeholders(const JsonObject& json, const JsonObject& text) {
  PlaceholderTokens placeholders;
  placeholders.read_as = static_cast<std::int32_t>(text.integer("pad_token_id").value_or(0));
  struct Token {
    const char* key;
    std::int64_t id;
  };
  for (const Token& token : {Token{"image_token_id", 258880}, {"video_token_id", 258884}, {"audio_token_id", 258881}}) {
    // null: there is none.
    if (json.contains(token.key) && json.find(token.key) == nullptr) continue;
    placeholders.ids.push_back(static_cast<std::int32_t>(json.integer(token.key).value_or(token.id)));
  }
  return placeholders;
}

/// The composite's config.json holds one config a tower.
EncoderConfig read_embedding_gemma2_config(const JsonObject& json) {
  if (json.string("model_type") == "embedding_gemma2_text") return read_text_config(json);
  const nlohmann::json* stated = json.find("text_config");
  const auto text = JsonObject::from_value(stated == nullptr ? nlohmann::json::object() : *stated,
                                           json.origin() + ": text_config", json.file());
  EncoderConfig config = read_text_config(text);
  config.placeholders = read_placeholders(json, text);
  warn_of_unknown_keys(text, "embedding_gemma2_text", config);
  return config;
}

}  // namespace

Family embedding_gemma2_family() {
  WeightNames names = gemma_names({"model.", "language_model.", "model.language_model."});
  names.per_layer_signal = "ple.per_layer_model_projection";
  names.per_layer_signal_norm = "ple.per_layer_projection_norm";
  names.per_layer_gate = "layers.{}.ple_block.per_layer_input_gate";
  names.per_layer_output = "layers.{}.ple_block.per_layer_projection";
  names.per_layer_result_norm = "layers.{}.ple_block.post_per_layer_input_norm";
  names.layer_scale = "layers.{}.layer_scalar";
  names.output_projection = "embedding_projection";
  return {.model_types = {"embedding_gemma2", "embedding_gemma2_text"},
          .read_config = read_embedding_gemma2_config,
          .names = {names},
          .reads_layer_configs = true};
}

}  // namespace treble::internal
