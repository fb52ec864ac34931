#include "models/config_keys.h"

#include "base/fail.h"

namespace treble {

Activation read_activation(const JsonObject& json, const char* key, const char* fallback) {
  const std::string name = json.string(key).value_or(fallback);
  if (const auto activation = activation_from_name(name)) return *activation;
  fail(ErrorCode::unsupported,
       "{}: \"{}\" is \"{}\"; supported are gelu, gelu_new, gelu_pytorch_tanh, relu, silu, tanh", json.origin(), key,
       name);
}

void require_value(const JsonObject& json, const char* key, const std::string& wanted) {
  const auto value = json.string(key);
  if (!value || *value == wanted) return;
  fail(ErrorCode::unsupported, "{}: \"{}\" is \"{}\"; only \"{}\" is supported", json.origin(), key, *value, wanted);
}

void require_flag(const JsonObject& json, const char* key, bool wanted) {
  const auto value = json.boolean(key);
  if (!value || *value == wanted) return;
  fail(ErrorCode::unsupported, "{}: \"{}\" is {}; only {} is supported", json.origin(), key, *value, wanted);
}

std::int64_t read_num_layers(const JsonObject& json, const char* key) {
  const std::int64_t layers = json.required_integer(key);
  if (layers >= 1 && layers <= 4096) return layers;
  fail(ErrorCode::invalid_file, "{}: \"{}\" is {}, it must be between 1 and 4096", json.origin(), key, layers);
}

EncoderConfig read_bert_like_config(const JsonObject& json) {
  require_flag(json, "is_decoder", false);
  EncoderConfig config;
  config.vocab_size = json.required_integer("vocab_size");
  config.hidden_size = json.required_integer("hidden_size");
  config.num_layers = json.required_integer("num_hidden_layers");
  config.num_heads = json.required_integer("num_attention_heads");
  config.intermediate_size = json.required_integer("intermediate_size");
  config.num_positions = json.integer("max_position_embeddings").value_or(512);
  config.learned_positions = true;
  config.num_token_types = json.integer("type_vocab_size").value_or(2);
  config.activation = read_activation(json, "hidden_act");
  config.norm_eps = json.number("layer_norm_eps").value_or(1e-12);
  return config;
}

namespace {

using Json = nlohmann::json;

const Json* member(const Json& json, const char* key) {
  const auto found = json.find(key);
  return found == json.end() || found->is_null() ? nullptr : &*found;
}

double number_of(const JsonObject& json, const Json& scaling, const char* key, double fallback) {
  const Json* value = member(scaling, key);
  if (value == nullptr) return fallback;
  if (!value->is_number() || !(value->get<double>() > 0)) {
    fail(ErrorCode::invalid_file, "{}: \"{}\" of the rotary scaling must be a number above 0", json.origin(), key);
  }
  return value->get<double>();
}

void read_scaling(const JsonObject& json, const Json& scaling, RotaryConfig& rotary) {
  const Json* type = member(scaling, "rope_type");
  if (type == nullptr) type = member(scaling, "type");
  const std::string name = type != nullptr && type->is_string() ? type->get<std::string>() : "default";
  if (name == "default") return;
  if (name == "linear") {
    rotary.linear_factor = number_of(json, scaling, "factor", 1);
  } else if (name == "ntk") {
    rotary.ntk_factor = number_of(json, scaling, "factor", 1);
  } else if (name == "llama3") {
    rotary.llama3 = {number_of(json, scaling, "factor", 1), number_of(json, scaling, "low_freq_factor", 1),
                     number_of(json, scaling, "high_freq_factor", 4),
                     number_of(json, scaling, "original_max_position_embeddings", 8192)};
  } else {
    fail(ErrorCode::unsupported, "{}: rotary scaling \"{}\"; supported are default, linear, ntk, llama3", json.origin(),
         name);
  }
}

}  // namespace

RotaryConfig read_rotary(const JsonObject& json, double default_base, const char* layer_type) {
  RotaryConfig rotary;
  rotary.base = json.number("rope_theta").value_or(default_base);
  const Json* parameters = member(json.value(), "rope_parameters");
  if (parameters != nullptr && parameters->is_object()) {
    if (const Json* of_type = member(*parameters, layer_type); of_type != nullptr && of_type->is_object()) {
      parameters = of_type;
    }
    rotary.base = number_of(json, *parameters, "rope_theta", rotary.base);
    read_scaling(json, *parameters, rotary);
  }
  if (const Json* scaling = member(json.value(), "rope_scaling"); scaling != nullptr && scaling->is_object()) {
    read_scaling(json, *scaling, rotary);
  }
  if (!(rotary.base > 0)) fail(ErrorCode::invalid_file, "{}: the rotary base is {}", json.origin(), rotary.base);
  return rotary;
}

std::optional<std::vector<bool>> read_layer_types(const JsonObject& json, std::int64_t num_layers) {
  const Json* types = member(json.value(), "layer_types");
  if (types == nullptr) return std::nullopt;
  if (!types->is_array() || static_cast<std::int64_t>(types->size()) != num_layers) {
    fail(ErrorCode::invalid_file, "{}: \"layer_types\" must be a list of {} entries, one a layer", json.origin(),
         num_layers);
  }
  std::vector<bool> local;
  for (const Json& type : *types) {
    const std::string name = type.is_string() ? type.get<std::string>() : type.dump();
    if (name != "full_attention" && name != "sliding_attention") {
      fail(ErrorCode::unsupported, "{}: layer type {}; supported are full_attention and sliding_attention",
           json.origin(), name);
    }
    local.push_back(name == "sliding_attention");
  }
  return local;
}

}  // namespace treble
