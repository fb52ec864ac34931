#include "adapters/peft_config.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <cmath>
#include <string_view>

#include "base/json_file.h"
#include "base/json_text.h"
#include "base/mapped_file.h"

namespace treble::internal {

namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;

/// Training, bookkeeping, and what only says how the weights began; the stages of initialisation that change base
/// weights are read with init_lora_weights.
constexpr auto kHarmlessKeys = std::to_array<std::string_view>(
    {"task_type", "peft_version", "revision", "inference_mode", "lora_dropout", "corda_config", "eva_config",
     "loftq_config", "lora_ga_config", "megatron_core", "qalora_group_size", "ensure_weight_tying", "bias",
     "runtime_config", "fan_in_fan_out", "use_rslora", "lora_bias"});

/// Whether a setting is as good as absent.
bool is_off(const Json& value) {
  return value.is_null() || (value.is_boolean() && !value.get<bool>()) ||
         ((value.is_array() || value.is_object()) && value.empty());
}

std::vector<std::string> read_strings(const JsonObject& json, const char* key) {
  const Json* value = json.find(key);
  std::vector<std::string> strings;
  if (value == nullptr) return strings;
  if (value->is_string()) return {value->get<std::string>()};
  const bool fits =
      value->is_array() && std::all_of(value->begin(), value->end(), [](const Json& one) { return one.is_string(); });
  if (!fits) fail_at(json, ErrorCode::invalid_file, "\"{}\" must be a string or a list of strings", key);
  for (const Json& one : *value) strings.push_back(one.get<std::string>());
  return strings;
}

/// A string is an expression here, not a list of one.
ModuleNames read_module_names(const JsonObject& json, const char* key) {
  const Json* value = json.find(key);
  if (value != nullptr && value->is_string()) return value->get<std::string>();
  return read_strings(json, key);
}

std::vector<std::int64_t> read_layers(const JsonObject& json) {
  const Json* value = json.find("layers_to_transform");
  std::vector<std::int64_t> layers;
  if (value == nullptr) return layers;
  const Json list = value->is_array() ? *value : Json::array({*value});
  for (const Json& one : list) {
    if (!one.is_number_integer()) {
      fail_at(json, ErrorCode::invalid_file, "\"layers_to_transform\" must be an integer or a list of integers");
    }
    layers.push_back(one.get<std::int64_t>());
  }
  return layers;
}

double checked_alpha(const JsonObject& json, const std::string& what, double alpha) {
  constexpr double kMax = 1e9;
  if (std::abs(alpha) <= kMax) return alpha;
  fail_at(json, ErrorCode::invalid_file, "{} is {}; it must be between {} and {}", what, alpha, -kMax, kMax);
}

std::int64_t checked_rank(const JsonObject& json, const std::string& what, std::int64_t rank) {
  constexpr std::int64_t kMax = std::int64_t{1} << 16;
  if (rank >= 1 && rank <= kMax) return rank;
  fail_at(json, ErrorCode::invalid_file, "{} is {}; it must be between 1 and {}", what, rank, kMax);
}

/// The pairs of an object in the order of the file, since the first that fits counts.
template <typename Value>
std::vector<std::pair<std::string, Value>> read_pattern(const JsonObject& json, const nlohmann::ordered_json& ordered,
                                                        const char* key) {
  const Json* value = json.find(key);
  std::vector<std::pair<std::string, Value>> pattern;
  if (value == nullptr || value->empty()) return pattern;
  if (!value->is_object()) fail_at(json, ErrorCode::invalid_file, "\"{}\" must be an object", key);
  for (const auto& [name, number] : ordered.at(key).items()) {
    const std::string what = fmt::format(R"("{}" of "{:.100}")", key, name);
    const bool fits = std::is_same_v<Value, double> ? number.is_number() : number.is_number_integer();
    if (!fits) fail_at(json, ErrorCode::invalid_file, "{} must be a number", what);
    if constexpr (std::is_same_v<Value, double>) {
      pattern.emplace_back(name, checked_alpha(json, what, number.template get<double>()));
    } else {
      pattern.emplace_back(name, checked_rank(json, what, number.template get<std::int64_t>()));
    }
  }
  return pattern;
}

AdaptedBiases read_biases(const JsonObject& json) {
  const std::string bias = json.string("bias").value_or("none");
  if (bias == "none") return AdaptedBiases::none;
  if (bias == "all") return AdaptedBiases::all;
  if (bias == "lora_only") return AdaptedBiases::lora_only;
  fail_at(json, ErrorCode::invalid_file, R"("bias" is "{:.40}"; there are none, all and lora_only)", bias);
}

/// Initialisations that take something away from the base weights, which PEFT does again at every load.
void check_initialisation(const JsonObject& json) {
  const Json* value = json.find("init_lora_weights");
  if (value == nullptr || value->is_boolean()) return;
  constexpr std::array kHarmless = {"gaussian", "eva", "orthogonal", "true", "false"};
  std::string name = value->is_string() ? value->get<std::string>() : json_text(*value);
  std::transform(name.begin(), name.end(), name.begin(), [](unsigned char c) { return std::tolower(c); });
  if (std::find(kHarmless.begin(), kHarmless.end(), name) != kHarmless.end()) return;
  fail_at(json, ErrorCode::unsupported,
          R"("init_lora_weights" is "{:.40}", which changes the base weights too; convert the adapter with PEFT: )"
          "save_pretrained(…, path_initial_model_for_weight_conversion=…)",
          name);
}

void check_kind(const JsonObject& json) {
  const std::string kind = json.string("peft_type").value_or("");
  if (kind != "LORA") {
    fail_at(json, ErrorCode::unsupported,
            R"("peft_type" is "{:.40}"; only LORA is supported. PEFT merges others into the base model: )"
            "PeftModel.from_pretrained(…).merge_and_unload().save_pretrained(…)",
            kind);
  }
  check_initialisation(json);
}

/// Everything that was not read must be off or harmless.
void check_other_keys(const JsonObject& json) {
  for (const std::string& key : json.unread_keys()) {
    const Json& value = json.value().at(key);
    if (is_off(value) || std::find(kHarmlessKeys.begin(), kHarmlessKeys.end(), key) != kHarmlessKeys.end()) continue;
    fail_at(json, ErrorCode::unsupported,
            "\"{:.60}\" is {:.60}; adapters that use it are not supported. PEFT merges them into the base model: "
            "PeftModel.from_pretrained(…).merge_and_unload().save_pretrained(…)",
            key, json_text(value));
  }
}

/// "bert" of auto_mapping {"parent_library": "transformers.models.bert.modeling_bert"}.
std::string read_base_family(const JsonObject& json) {
  const Json* mapping = json.find("auto_mapping");
  if (mapping == nullptr || !mapping->is_object()) return {};
  const std::string library = mapping->value("parent_library", "");
  constexpr std::string_view kModels = "transformers.models.";
  if (!library.starts_with(kModels)) return {};
  const std::string rest = library.substr(kModels.size());
  return rest.substr(0, rest.find('.'));
}

nlohmann::ordered_json read_ordered(const fs::path& path) {
  const MappedFile file(path);
  const auto bytes = file.bytes();
  return parse_ordered({reinterpret_cast<const char*>(bytes.data()), bytes.size()});
}

}  // namespace

PeftConfig read_peft_config(const fs::path& folder) {
  const fs::path path = folder / kPeftConfigFile;
  const auto json = JsonObject::from_file(path);
  const auto ordered = read_ordered(path);
  check_kind(json);
  PeftConfig config;
  config.origin = json.origin();
  config.file = path;
  config.base_model = json.string("base_model_name_or_path").value_or("");
  config.base_family = read_base_family(json);
  config.rank = checked_rank(json, "\"r\"", json.integer("r").value_or(8));
  config.alpha = checked_alpha(json, "\"lora_alpha\"", json.number("lora_alpha").value_or(8));
  config.rank_stabilized = json.boolean("use_rslora").value_or(false);
  config.rank_pattern = read_pattern<std::int64_t>(json, ordered, "rank_pattern");
  config.alpha_pattern = read_pattern<double>(json, ordered, "alpha_pattern");
  config.target_modules = read_module_names(json, "target_modules");
  config.exclude_modules = read_module_names(json, "exclude_modules");
  config.layers_to_transform = read_layers(json);
  config.layers_pattern = read_strings(json, "layers_pattern");
  config.modules_to_save = read_strings(json, "modules_to_save");
  config.biases = read_biases(json);
  check_other_keys(json);
  return config;
}

std::string read_base_model(const fs::path& folder) {
  const auto json = JsonObject::from_file(folder / kPeftConfigFile);
  const auto name = json.string("base_model_name_or_path");
  if (name && !name->empty()) return *name;
  fail_at(
      json, ErrorCode::invalid_file,
      "\"base_model_name_or_path\" does not say which model the adapter belongs to; name that model as the model, and "
      "this folder as ModelOptions::adapter");
}

}  // namespace treble::internal
