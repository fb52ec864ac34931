#include "models/config_keys.h"

#include <fmt/ranges.h>

#include "base/fail.h"

namespace treble::internal {

Activation read_activation(const JsonObject& json, const char* key, const char* fallback) {
  const std::string name = json.string(key).value_or(fallback);
  if (const auto activation = activation_from_name(name)) return *activation;
  fail_at(json, ErrorCode::unsupported, "\"{}\" is \"{}\"; supported are {}", key, name,
          fmt::join(activation_names(), ", "));
}

void require_value(const JsonObject& json, const char* key, const std::string& wanted) {
  const auto value = json.string(key);
  if (!value || *value == wanted) return;
  fail_at(json, ErrorCode::unsupported, "\"{}\" is \"{}\"; only \"{}\" is supported", key, *value, wanted);
}

void require_flag(const JsonObject& json, const char* key, bool wanted) {
  const auto value = json.boolean(key);
  if (!value || *value == wanted) return;
  fail_at(json, ErrorCode::unsupported, "\"{}\" is {}; only {} is supported", key, *value, wanted);
}

std::int64_t read_size(const JsonObject& json, std::initializer_list<const char*> keys, std::int64_t fallback) {
  std::optional<std::int64_t> first;
  // All are asked for, so that none counts as unknown.
  for (const char* key : keys) {
    const auto value = json.integer(key);
    if (!first) first = value;
  }
  return first.value_or(fallback);
}

std::int64_t read_num_layers(const JsonObject& json, std::int64_t fallback) {
  const std::int64_t layers = json.integer("num_hidden_layers").value_or(fallback);
  if (layers >= 1 && layers <= 4096) return layers;
  fail_at(json, ErrorCode::invalid_file, "\"num_hidden_layers\" is {}, it must be between 1 and 4096", layers);
}

std::int64_t read_kv_heads(const JsonObject& json, std::int64_t num_heads, std::int64_t fallback) {
  if (json.integer("num_key_value_heads")) return read_divisor(json, "num_key_value_heads", 1);
  return json.contains("num_key_value_heads") ? num_heads : fallback;
}

std::int64_t read_divisor(const JsonObject& json, const char* key, std::int64_t fallback) {
  const std::int64_t step = json.integer(key).value_or(fallback);
  if (step >= 1) return step;
  fail_at(json, ErrorCode::invalid_file, "\"{}\" is {}, it must be at least 1", key, step);
}

EncoderConfig read_bert_like_config(const JsonObject& json, const BertDefaults& defaults) {
  require_flag(json, "is_decoder", false);
  EncoderConfig config;
  config.vocab_size = json.integer("vocab_size").value_or(defaults.vocab_size);
  config.hidden_size = json.integer("hidden_size").value_or(defaults.hidden_size);
  config.num_layers = read_num_layers(json, defaults.num_layers);
  config.num_heads = json.integer("num_attention_heads").value_or(defaults.num_heads);
  config.intermediate_size = json.integer("intermediate_size").value_or(defaults.intermediate_size);
  config.num_positions = json.integer("max_position_embeddings").value_or(defaults.num_positions);
  config.learned_positions = true;
  config.num_token_types = json.integer("type_vocab_size").value_or(defaults.num_token_types);
  config.activation = read_activation(json, "hidden_act", defaults.activation);
  config.norm_eps = json.number("layer_norm_eps").value_or(defaults.norm_eps);
  return config;
}

std::optional<std::vector<bool>> read_layer_types(const JsonObject& json, std::int64_t num_layers) {
  const nlohmann::json* types = json.find("layer_types");
  if (types == nullptr) return std::nullopt;
  if (!types->is_array() || static_cast<std::int64_t>(types->size()) != num_layers) {
    fail_at(json, ErrorCode::invalid_file, "\"layer_types\" must be a list of {} entries, one a layer", num_layers);
  }
  std::vector<bool> local;
  for (const nlohmann::json& type : *types) {
    const std::string name = type.is_string() ? type.get<std::string>() : type.dump();
    if (name != "full_attention" && name != "attention" && name != "sliding_attention") {
      fail_at(json, ErrorCode::unsupported, "layer type {}; supported are full_attention and sliding_attention", name);
    }
    local.push_back(name == "sliding_attention");
  }
  return local;
}

}  // namespace treble::internal
