#include "models/config_keys.h"

#include <fmt/ranges.h>

#include <utility>

#include "base/fail.h"
#include "base/json_text.h"
#include "models/known_names.h"
#include "safetensors/message_text.h"

namespace treble::internal {

std::string model_type_of(const JsonObject& json) {
  if (auto type = json.string("model_type")) return *type;
  const nlohmann::json* layer = json.find("ssm_cfg");
  const bool mamba2 = layer != nullptr && layer->is_object() && layer->value("layer", nlohmann::json()) == "Mamba2";
  return mamba2 ? "mamba2" : "";
}

Activation read_activation(const JsonObject& json, const char* key, const char* fallback) {
  const std::string name = json.string(key).value_or(fallback);
  if (const auto activation = activation_from_name(name)) return *activation;
  fail_at(json, ErrorCode::unsupported, R"("{}" is "{}"; supported are {})", key, name,
          fmt::join(activation_names(), ", "));
}

void require_value(const JsonObject& json, const char* key, const std::string& required) {
  const auto value = json.string(key);
  if (!value || *value == required) return;
  fail_at(json, ErrorCode::unsupported, R"("{}" is "{}"; only "{}" is supported)", key, *value, required);
}

void require_flag(const JsonObject& json, const char* key, bool required) {
  const auto value = json.boolean(key);
  if (!value || *value == required) return;
  fail_at(json, ErrorCode::unsupported, "\"{}\" is {}; only {} is supported", key, *value, required);
}

std::int64_t read_size(const JsonObject& json, const std::vector<const char*>& keys, std::int64_t fallback) {
  std::optional<std::int64_t> first;
  // All are read, so that none counts as unknown.
  for (const char* key : keys) {
    const auto value = json.integer(key);
    if (!first) first = value;
  }
  return first.value_or(fallback);
}

EncoderConfig read_sizes(const JsonObject& json, const EncoderSizes& defaults, const SizeKeys& keys) {
  EncoderConfig config;
  config.vocab_size = read_size(json, keys.vocab_size, defaults.vocab_size);
  config.hidden_size = read_size(json, keys.hidden_size, defaults.hidden_size);
  config.num_layers = read_size(json, keys.num_layers, defaults.num_layers);
  config.num_heads = read_size(json, keys.num_heads, defaults.num_heads);
  config.intermediate_size = read_size(json, keys.intermediate_size, defaults.intermediate_size);
  config.num_positions = read_size(json, keys.num_positions, defaults.num_positions);
  if (config.num_layers >= 1 && config.num_layers <= 4096) return config;
  fail_at(json, ErrorCode::invalid_file, "\"{}\" is {}, it must be between 1 and 4096",
          fmt::join(keys.num_layers, "\" or \""), config.num_layers);
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
  EncoderConfig config = read_sizes(json, defaults.sizes);
  config.learned_positions = true;
  config.num_token_types = json.integer("type_vocab_size").value_or(defaults.num_token_types);
  config.activation = read_activation(json, "hidden_act", defaults.activation);
  config.norm_eps = json.number("layer_norm_eps").value_or(defaults.norm_eps);
  return config;
}

void warn_of_unknown_keys(const JsonObject& json, const std::string& model_type, EncoderConfig& config) {
  std::vector<std::string> unknown = json.unread_keys();
  std::erase_if(unknown, [&](const std::string& key) { return is_harmless_key(model_type, key); });
  if (unknown.empty()) return;
  for (std::string& key : unknown) key = for_message(key);
  config.warnings.push_back(
      fmt::format("{}: unknown to a {} model, ignored: {}", json.origin(), model_type, fmt::join(unknown, ", ")));
}

std::optional<std::vector<bool>> read_layer_types(const JsonObject& json, std::int64_t num_layers) {
  const nlohmann::json* types = json.find("layer_types");
  if (types == nullptr) return std::nullopt;
  if (!types->is_array() || std::cmp_not_equal(types->size(), num_layers)) {
    fail_at(json, ErrorCode::invalid_file, "\"layer_types\" must be a list of {} entries, one a layer", num_layers);
  }
  std::vector<bool> local;
  for (const nlohmann::json& type : *types) {
    const std::string name = type.is_string() ? type.get<std::string>() : json_text(type);
    if (name != "full_attention" && name != "attention" && name != "sliding_attention") {
      fail_at(json, ErrorCode::unsupported, "layer type {}; supported are full_attention and sliding_attention", name);
    }
    local.push_back(name == "sliding_attention");
  }
  return local;
}

}  // namespace treble::internal
