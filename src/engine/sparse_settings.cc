#include "engine/sparse_settings.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <iterator>
#include <string>
#include <vector>

#include "base/fail_about.h"
#include "base/file_presence.h"
#include "base/json_file.h"
#include "models/router.h"
#include "pooling/module_config.h"
#include "safetensors/message_text.h"

namespace treble::internal {

namespace {

namespace fs = std::filesystem;

/// "SpladePooling" of "sentence_transformers.sparse_encoder.models.SpladePooling.SpladePooling"; nothing for what is no
/// module of sentence-transformers.
std::string class_of(const nlohmann::json& module) {
  const auto type = module.is_object() ? module.find("type") : module.end();
  if (!module.is_object() || type == module.end() || !type->is_string()) return {};
  const auto& name = type->get_ref<const std::string&>();
  return name.starts_with("sentence_transformers.") ? name.substr(name.rfind('.') + 1) : std::string();
}

std::vector<std::string> module_classes(const nlohmann::json& modules) {
  std::vector<std::string> classes;
  if (modules.is_array()) std::transform(modules.begin(), modules.end(), std::back_inserter(classes), class_of);
  return classes;
}

SpladeConfig parse_splade_config(const JsonObject& json) {
  SpladeConfig config;
  const std::string pooling = json.string("pooling_strategy").value_or("max");
  const std::string activation = json.string("activation_function").value_or("relu");
  if (pooling != "max" && pooling != "sum") {
    fail_at(json, ErrorCode::unsupported, R"("pooling_strategy" is "{:.40}"; there are max and sum)", pooling);
  }
  if (activation != "relu" && activation != "log1p_relu") {
    fail_at(json, ErrorCode::unsupported, R"("activation_function" is "{:.40}"; there are relu and log1p_relu)",
            activation);
  }
  constexpr std::array<std::string_view, 5> kKnown = {"pooling_strategy", "activation_function", "embedding_dimension",
                                                      "word_embedding_dimension", "chunk_size"};
  for (const auto& [key, value] : json.value().items()) {
    if (std::find(kKnown.begin(), kKnown.end(), key) != kKnown.end()) continue;
    fail_at(json, ErrorCode::unsupported, "unknown key \"{}\"; SpladePooling has {}", for_message(key),
            fmt::join(kKnown, ", "));
  }
  config.pooling = pooling == "max" ? SpladeConfig::Pooling::max : SpladeConfig::Pooling::sum;
  config.activation = activation == "relu" ? SpladeConfig::Activation::relu : SpladeConfig::Activation::log1p_relu;
  return config;
}

/// modules.json of a chain with a SpladePooling.
SparseSettings read_splade_modules(const fs::path& folder, const nlohmann::json& modules) {
  const fs::path path = folder / "modules.json";
  const auto classes = module_classes(modules);
  if (classes.size() != 2 || (classes[0] != "Transformer" && classes[0] != "MLMTransformer") ||
      classes[1] != "SpladePooling") {
    fail_file(path, ErrorCode::unsupported,
              "a sparse encoder of the modules {:.200}; Treble has those of a Transformer and a SpladePooling",
              for_message(fmt::format("{}", fmt::join(classes, ", "))));
  }
  const auto pooling = modules[1].find("path");
  if (pooling == modules[1].end() || !pooling->is_string()) {
    fail_file(path, ErrorCode::invalid_file, "module 1: \"path\" must be a string");
  }
  check_module_path(pooling->get<std::string>(), path.string() + ": module 1");
  SparseSettings settings{.source = SparseSettings::Source::splade_modules};
  const fs::path config = folder / pooling->get<std::string>() / "config.json";
  settings.splade = about_file(config, [&] { return parse_splade_config(JsonObject::from_file(config)); });
  return settings;
}

/// Inference-free queries: of a table; documents of a SPLADE chain.
SparseSettings read_router_settings(const fs::path& folder, const Router& router) {
  const auto* queries = router.find("query");
  const auto* documents = router.find("document");
  const auto is_splade = [](const std::vector<RoutedModule>& chain) {
    return chain.size() == 2 && (chain[0].type == "Transformer" || chain[0].type == "MLMTransformer") &&
           chain[1].type == "SpladePooling";
  };
  if (router.routes.size() != 2 || queries == nullptr || documents == nullptr || queries->size() != 1 ||
      queries->front().type != "SparseStaticEmbedding" || !is_splade(*documents)) {
    fail_file(router.file, ErrorCode::unsupported,
              "a Router of {:.300}; Treble has that of query: SparseStaticEmbedding; document: Transformer, "
              "SpladePooling",
              router.describe());
  }
  SparseSettings settings{.source = SparseSettings::Source::splade_modules};
  settings.queries = folder / queries->front().path;
  if (!router.default_route.empty()) settings.default_role = parse_text_role(router.default_route);
  const fs::path config = folder / (*documents)[1].path / "config.json";
  settings.splade = about_file(config, [&] { return parse_splade_config(JsonObject::from_file(config)); });
  return settings;
}

bool is_masked_lm(const fs::path& folder) {
  const fs::path path = folder / "config.json";
  if (!is_there(path)) return false;
  const auto json = JsonObject::from_file(path);
  const nlohmann::json* names = json.find("architectures");
  if (names == nullptr || !names->is_array()) return false;
  return std::any_of(names->begin(), names->end(), [](const nlohmann::json& name) {
    return name.is_string() && name.get_ref<const std::string&>().ends_with("ForMaskedLM");
  });
}

std::optional<std::int64_t> read_max_active_dims(const fs::path& folder) {
  const fs::path path = folder / "config_sentence_transformers.json";
  if (!is_there(path)) return std::nullopt;
  const auto json = JsonObject::from_file(path);
  const auto count = json.integer("max_active_dims");
  if (count && *count < 1) {
    fail_at(json, ErrorCode::invalid_file, "\"max_active_dims\" is {}, it must be at least 1", *count);
  }
  return count;
}

/// What to say of BGE-M3's head in PyTorch's format.
std::vector<std::string> unread_token_weights(const fs::path& folder) {
  const fs::path pickle = fs::path(folder / kTokenWeightsFile).replace_extension(".pt");
  if (!is_there(pickle)) return {};
  return {fmt::format("{}: not read, so the model has no sparse output; `treble convert` makes {} of it",
                      pickle.string(), kTokenWeightsFile)};
}

}  // namespace

SparseSettings read_sparse_settings(const ModelParts& parts) {
  if (is_there(parts.folder / kTokenWeightsFile)) return {.source = SparseSettings::Source::token_weights};
  const fs::path path = parts.folder / "modules.json";
  if (!is_there(path)) {
    const bool masked = !parts.is_static && is_masked_lm(parts.weights);
    return {.source = masked ? SparseSettings::Source::masked_lm : SparseSettings::Source::none};
  }
  if (const auto router = read_router(parts.folder)) {
    SparseSettings settings = read_router_settings(parts.folder, *router);
    settings.max_active_dims = read_max_active_dims(parts.folder);
    return settings;
  }
  const nlohmann::json modules = parse_json_file(path);
  const auto classes = module_classes(modules);
  if (std::find(classes.begin(), classes.end(), "SpladePooling") == classes.end()) {
    return {.warnings = unread_token_weights(parts.folder)};
  }
  SparseSettings settings = about_file(path, [&] { return read_splade_modules(parts.folder, modules); });
  settings.max_active_dims = read_max_active_dims(parts.folder);
  return settings;
}

}  // namespace treble::internal
