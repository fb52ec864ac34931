#include "models/rotary_keys.h"

#include <fmt/ranges.h>

#include <cmath>
#include <string>
#include <utility>
#include <vector>

#include "base/fail.h"
#include "safetensors/message_text.h"

namespace treble::internal {

namespace {

using Json = nlohmann::json;

constexpr const char* kFull = "full_attention";
constexpr const char* kLocal = "sliding_attention";

/// An object of config.json, empty where it is absent.
Json object_of(const JsonObject& json, const char* key) {
  const Json* value = json.find(key);
  if (value == nullptr) return Json::object();
  if (value->is_object()) return *value;
  fail_at(json, ErrorCode::invalid_file, "\"{}\" must be an object, found {}", key, value->type_name());
}

void set_default(Json& object, const char* key, const std::optional<double>& value) {
  if (value && !object.contains(key)) object[key] = *value;
}

double positive(const JsonObject& scaling, const char* key, const std::optional<double>& value) {
  if (!value) fail_at(scaling, ErrorCode::invalid_file, "\"{}\" is missing", key);
  if (*value > 0 && std::isfinite(*value)) return *value;
  fail_at(scaling, ErrorCode::invalid_file, "\"{}\" is {}, it must be above 0", key, *value);
}

double required_positive(const JsonObject& scaling, const char* key) {
  return positive(scaling, key, scaling.number(key));
}

std::vector<double> read_factors(const JsonObject& scaling, const char* key, std::int64_t count) {
  const Json* values = scaling.find(key);
  std::vector<double> factors;
  if (values != nullptr && values->is_array()) {
    for (const Json& value : *values) {
      if (value.is_number() && value.get<double>() > 0) factors.push_back(value.get<double>());
    }
  }
  if (values != nullptr && values->size() == factors.size() && std::cmp_equal(factors.size(), count)) {
    return factors;
  }
  fail_at(scaling, ErrorCode::invalid_file, "\"{}\" must be a list of {} numbers above 0, half the width of a head",
          key, count);
}

/// "factor", or how far the model was stretched where it is null.
double factor_or_stretch(const JsonObject& scaling, const EncoderConfig& config, double original) {
  const auto factor = scaling.number("factor");
  return positive(scaling, "factor", factor ? *factor : static_cast<double>(config.num_positions) / original);
}

double yarn_magnitude(double factor, double scale) { return factor <= 1 ? 1 : 0.1 * scale * std::log(factor) + 1; }

void read_yarn(const JsonObject& scaling, const EncoderConfig& config, bool by_layer, RotaryConfig& rotary) {
  rotary.scaling = RotaryScaling::yarn;
  rotary.factor = factor_or_stretch(scaling, config, rotary.original_positions);
  const double scale = scaling.number("mscale").value_or(0);
  const double scale_all = scaling.number("mscale_all_dim").value_or(0);
  const double inferred = scale != 0 && scale_all != 0
                              ? yarn_magnitude(rotary.factor, scale) / yarn_magnitude(rotary.factor, scale_all)
                              : yarn_magnitude(rotary.factor, 1);
  rotary.attention_factor =
      positive(scaling, "attention_factor", scaling.number("attention_factor").value_or(inferred));
  const double fast = scaling.number("beta_fast").value_or(0);
  const double slow = scaling.number("beta_slow").value_or(0);
  rotary.beta_fast = positive(scaling, "beta_fast", fast == 0 ? 32 : fast);
  rotary.beta_slow = positive(scaling, "beta_slow", slow == 0 ? 1 : slow);
  // transformers looks for it beside the layer types, never within them.
  rotary.truncate = scaling.boolean("truncate").value_or(true) || by_layer;
  if (rotary.base <= 1) {
    fail_at(scaling, ErrorCode::invalid_file, "\"rope_theta\" is {}, yarn needs more than 1", rotary.base);
  }
}

void read_longrope(const JsonObject& scaling, const EncoderConfig& config, std::int64_t head_width,
                   RotaryConfig& rotary) {
  rotary.scaling = RotaryScaling::longrope;
  rotary.short_factors = read_factors(scaling, "short_factor", head_width / 2);
  rotary.long_factors = read_factors(scaling, "long_factor", head_width / 2);
  rotary.factor = factor_or_stretch(scaling, config, rotary.original_positions);
  if (rotary.original_positions <= 1) {
    fail_at(scaling, ErrorCode::invalid_file, "\"original_max_position_embeddings\" is {}, longrope needs more than 1",
            rotary.original_positions);
  }
  const double inferred =
      rotary.factor <= 1 ? 1 : std::sqrt(1 + std::log(rotary.factor) / std::log(rotary.original_positions));
  rotary.attention_factor =
      positive(scaling, "attention_factor", scaling.number("attention_factor").value_or(inferred));
}

void read_llama3(const JsonObject& scaling, RotaryConfig& rotary) {
  rotary.scaling = RotaryScaling::llama3;
  rotary.factor = required_positive(scaling, "factor");
  rotary.low_frequency_factor = required_positive(scaling, "low_freq_factor");
  rotary.high_frequency_factor = required_positive(scaling, "high_freq_factor");
  if (rotary.high_frequency_factor > rotary.low_frequency_factor) return;
  fail_at(scaling, ErrorCode::invalid_file, R"("high_freq_factor" is {}, it must be above "low_freq_factor", {})",
          rotary.high_frequency_factor, rotary.low_frequency_factor);
}

void read_fixed_ntk(const JsonObject& scaling, RotaryConfig& rotary) {
  rotary.scaling = RotaryScaling::ntk;
  rotary.factor = required_positive(scaling, "factor");
  if (!scaling.number("mixed_b")) return;
  fail_at(scaling, ErrorCode::unsupported, "\"mixed_b\" is not supported; only null is");
}

void warn_of_unread(const JsonObject& scaling, std::vector<std::string>& warnings) {
  std::vector<std::string> unread = scaling.unread_keys();
  if (unread.empty()) return;
  for (std::string& key : unread) key = for_message(key);
  warnings.push_back(fmt::format("{}: ignored: {}", scaling.origin(), fmt::join(unread, ", ")));
}

/// What one object of rotary parameters says, with its base filled in.
struct RotaryReader {
  const EncoderConfig& config;
  std::optional<double> original_positions;  ///< of config.json itself
  bool fixed_ntk = false;
  bool by_layer = false;
  bool local = false;  ///< of layers with a local window

  RotaryConfig read(const JsonObject& scaling, std::vector<std::string>& warnings) const;
  void read_kind(const JsonObject& scaling, const std::string& kind, RotaryConfig& rotary) const;
};

void RotaryReader::read_kind(const JsonObject& scaling, const std::string& kind, RotaryConfig& rotary) const {
  const auto stated = scaling.number("original_max_position_embeddings");
  rotary.original_positions = positive(scaling, "original_max_position_embeddings",
                                       original_positions ? *original_positions
                                       : stated           ? *stated
                                                          : static_cast<double>(config.num_positions));
  if (kind == "default") return;
  if (kind == "linear") {
    rotary.scaling = RotaryScaling::linear;
    rotary.factor = required_positive(scaling, "factor");
  } else if (kind == "dynamic") {
    rotary.scaling = RotaryScaling::dynamic;
    rotary.factor = required_positive(scaling, "factor");
    rotary.original_positions = static_cast<double>(config.num_positions);
  } else if (kind == "yarn") {
    read_yarn(scaling, config, by_layer, rotary);
  } else if (kind == "longrope") {
    read_longrope(scaling, config, config.heads_of(local).width, rotary);
  } else if (kind == "llama3") {
    read_llama3(scaling, rotary);
  } else if (kind == "ntk" && fixed_ntk) {
    read_fixed_ntk(scaling, rotary);
  } else {
    fail_at(scaling, ErrorCode::unsupported,
            "rotary scaling \"{}\"; supported are default, linear, dynamic, yarn, longrope, llama3{}", kind,
            fixed_ntk ? ", ntk" : "");
  }
}

RotaryConfig RotaryReader::read(const JsonObject& scaling, std::vector<std::string>& warnings) const {
  RotaryConfig rotary;
  rotary.base = required_positive(scaling, "rope_theta");
  const auto old_name = scaling.string("type");
  read_kind(scaling, scaling.string("rope_type").value_or(old_name.value_or("default")), rotary);
  if (const double part = scaling.number("partial_rotary_factor").value_or(1); part != 1) {
    fail_at(scaling, ErrorCode::unsupported, "\"partial_rotary_factor\" is {}; only 1 is supported", part);
  }
  warn_of_unread(scaling, warnings);
  return rotary;
}

RotaryReader reader_for(const JsonObject& json, const EncoderConfig& config) {
  if (config.num_heads < 1 || config.hidden_size < 1 || config.num_positions < 1) {
    fail_at(json, ErrorCode::invalid_file, "{} attention heads over a hidden size of {} and {} positions",
            config.num_heads, config.hidden_size, config.num_positions);
  }
  return {.config = config, .original_positions = json.number("original_max_position_embeddings")};
}

}  // namespace

void read_rotary(const JsonObject& json, const RotaryDefaults& defaults, EncoderConfig& config) {
  Json parameters = object_of(json, "rope_parameters");
  Json scaling = object_of(json, "rope_scaling");
  const bool old_form = !scaling.empty();
  if (old_form) parameters = std::move(scaling);
  if (parameters.contains(kFull) || parameters.contains(kLocal)) {
    fail_at(json, ErrorCode::unsupported,
            "\"rope_parameters\" by layer type; a {} model has one rotation for all layers",
            json.string("model_type").value_or(""));
  }
  set_default(parameters, "rope_theta", json.number("rope_theta").value_or(defaults.base));
  set_default(parameters, "partial_rotary_factor", json.number("partial_rotary_factor"));
  RotaryReader reader = reader_for(json, config);
  reader.fixed_ntk = defaults.fixed_ntk;
  const auto object = JsonObject::from_value(
      std::move(parameters), json.origin() + (old_form ? ": rope_scaling" : ": rope_parameters"), json.file());
  config.rotary = reader.read(object, config.warnings);
  // Its frequencies follow each text's length, so there is no end to its positions.
  config.unlimited_positions = config.rotary.scaling == RotaryScaling::dynamic;
}

void read_rotary_by_layer(const JsonObject& json, const RotaryLayerKeys& keys, EncoderConfig& config) {
  const auto parameters = JsonObject::from_value(object_of(json, "rope_parameters"),
                                                 json.origin() + ": rope_parameters by layer type", json.file());
  const Json scaling = object_of(json, "rope_scaling");
  const auto partial = json.number("partial_rotary_factor");
  RotaryReader reader = reader_for(json, config);
  reader.original_positions.reset();
  reader.by_layer = true;
  const auto read = [&](const char* layer_type, bool scales, const char* base_key, double base) {
    reader.local = layer_type == kLocal;
    Json object = object_of(parameters, layer_type);
    if (scales) object.update(scaling);
    set_default(object, "rope_theta", json.number(base_key).value_or(base));
    set_default(object, "partial_rotary_factor", partial);
    const auto named =
        JsonObject::from_value(std::move(object), json.origin() + ": rotary positions of " + layer_type, json.file());
    return reader.read(named, config.warnings);
  };
  config.rotary = read(kFull, true, keys.base_key, keys.base);
  config.local_rotary = read(kLocal, keys.scales_local, keys.local_base_key, keys.local_base);
  config.unlimited_positions =
      config.rotary.scaling == RotaryScaling::dynamic || config.local_rotary->scaling == RotaryScaling::dynamic;
  warn_of_unread(parameters, config.warnings);
}

}  // namespace treble::internal
