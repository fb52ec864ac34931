#include "pooling/module_config.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <initializer_list>
#include <optional>
#include <set>
#include <utility>

#include "base/fail.h"
#include "safetensors/message_text.h"

namespace treble::internal {

namespace {

using Json = nlohmann::json;

constexpr std::string_view kSupported = "Transformer, Pooling, Dense, LayerNorm, Dropout, Normalize, StaticEmbedding";
/// Modules of models of whole words, by their class.
constexpr std::array<std::string_view, 5> kWordModules = {"WordEmbeddings", "WordWeights", "BoW", "CNN", "LSTM"};
constexpr std::int64_t kMaxWidth = std::int64_t{1} << 24;
constexpr std::size_t kMaxModes = 16;

/// The class, whatever the package path before it: releases have moved it about. Other packages' classes (custom code
/// in the model's folder) may do anything, even under a familiar name.
std::optional<ModuleKind> module_kind(std::string_view type) {
  constexpr std::array<std::pair<std::string_view, ModuleKind>, 8> kKinds = {
      {{"Transformer", ModuleKind::transformer},
       {"StaticEmbedding", ModuleKind::static_embedding},
       {"Pooling", ModuleKind::pooling},
       {"Dense", ModuleKind::dense},
       {"LayerNorm", ModuleKind::layer_norm},
       {"Dropout", ModuleKind::dropout},
       {"Normalize", ModuleKind::normalize},
       {"MultiVectorMask", ModuleKind::multi_vector_mask}}};
  if (!type.starts_with("sentence_transformers.")) return std::nullopt;
  const std::string_view name = type.substr(type.rfind('.') + 1);
  for (const auto& [candidate, kind] : kKinds) {
    if (candidate == name) return kind;
  }
  return std::nullopt;
}

[[noreturn]] void refuse_module(const std::string& type, const std::string& place) {
  const std::string_view name = std::string_view(type).substr(type.rfind('.') + 1);
  const bool of_words =
      type.starts_with("sentence_transformers.") && std::ranges::find(kWordModules, name) != kWordModules.end();
  fail(ErrorCode::unsupported, "{}: Treble has no module {}{}; it has those of sentence-transformers named {}", place,
       for_message(type),
       of_words ? ", which belongs to models of whole words, whose tokenizers are no tokenizer.json" : "", kSupported);
}

std::string required_text(const Json& entry, const char* key, const std::string& place) {
  const auto found = entry.find(key);
  if (found == entry.end() || !found->is_string()) {
    fail(ErrorCode::invalid_file, "{}: \"{}\" must be a string", place, key);
  }
  return found->get<std::string>();
}

/// `of_tokens`: of a chain on the vectors of tokens, which PyLate's Dense works on.
ModuleEntry parse_module(const Json& entry, const std::string& place, bool of_tokens) {
  if (!entry.is_object()) fail(ErrorCode::invalid_file, "{}: expected an object, found {}", place, entry.type_name());
  const std::string type = required_text(entry, "type", place);
  const bool of_pylate = of_tokens && type == "pylate.models.Dense.Dense";
  const auto kind = of_pylate ? ModuleKind::dense : module_kind(type);
  if (!kind) refuse_module(type, place);
  ModuleEntry module{*kind, required_text(entry, "path", place)};
  check_module_path(module.path, place);
  return module;
}

/// The modes of the old form, in the fixed order of its concatenations; nothing when none of its keys is there.
std::optional<std::vector<PoolingMode>> old_form_modes(const JsonObject& config) {
  constexpr std::array<std::pair<std::string_view, PoolingMode>, 6> kKeys = {
      {{"pooling_mode_cls_token", PoolingMode::cls},
       {"pooling_mode_max_tokens", PoolingMode::max},
       {"pooling_mode_mean_tokens", PoolingMode::mean},
       {"pooling_mode_mean_sqrt_len_tokens", PoolingMode::mean_sqrt_len},
       {"pooling_mode_weightedmean_tokens", PoolingMode::weighted_mean},
       {"pooling_mode_lasttoken", PoolingMode::last_token}}};
  std::vector<PoolingMode> modes;
  bool present = false;
  for (const auto& [key, mode] : kKeys) {
    present = present || config.contains(key);
    if (config.boolean(key).value_or(false)) modes.push_back(mode);
  }
  if (!present) return std::nullopt;
  return modes;
}

PoolingMode parse_mode(const Json& value, const std::string& origin) {
  if (!value.is_string()) {
    fail(ErrorCode::invalid_file, "{}: \"pooling_mode\" must be a name or a list of names, found {}", origin,
         value.type_name());
  }
  const auto& name = value.get_ref<const std::string&>();
  const auto mode = pooling_mode_from_name(name);
  if (!mode) {
    fail(ErrorCode::invalid_file,
         "{}: unknown pooling mode \"{}\"; known are cls, max, mean, mean_sqrt_len_tokens, weightedmean, lasttoken",
         origin, for_message(name));
  }
  return *mode;
}

/// The modes of the new form, in the order written.
std::optional<std::vector<PoolingMode>> new_form_modes(const JsonObject& config) {
  const auto found = config.value().find("pooling_mode");
  if (found == config.value().end()) return std::nullopt;
  std::vector<PoolingMode> modes;
  if (!found->is_array()) {
    modes.push_back(parse_mode(*found, config.origin()));
    return modes;
  }
  if (found->size() > kMaxModes) {
    fail_at(config, ErrorCode::invalid_file, "\"pooling_mode\" lists {} modes, the limit is {}", found->size(),
            kMaxModes);
  }
  for (const Json& value : *found) modes.push_back(parse_mode(value, config.origin()));
  return modes;
}

std::vector<PoolingMode> pooling_modes(const JsonObject& config) {
  const auto old_form = old_form_modes(config);
  const auto new_form = new_form_modes(config);
  if (!old_form && !new_form) {
    fail_at(config, ErrorCode::invalid_file,
            R"(says nothing about how to pool; expected "pooling_mode", or "pooling_mode_mean_tokens" and its like)");
  }
  if (old_form && new_form &&
      std::set(old_form->begin(), old_form->end()) != std::set(new_form->begin(), new_form->end())) {
    fail_at(config, ErrorCode::invalid_file,
            "\"pooling_mode\" says {}, the \"pooling_mode_…\" keys say {}; remove one of the two", to_string(*new_form),
            old_form->empty() ? "none" : to_string(*old_form));
  }
  const auto& modes = new_form ? *new_form : *old_form;
  if (modes.empty()) fail_at(config, ErrorCode::invalid_file, "no pooling mode is chosen; set one");
  return modes;
}

void check_pooling_width(const JsonObject& config, std::int64_t hidden_size) {
  const auto old_width = config.integer("word_embedding_dimension");
  const auto new_width = config.integer("embedding_dimension");
  if (!old_width && !new_width) {
    fail_at(config, ErrorCode::invalid_file,
            R"(neither "embedding_dimension" nor "word_embedding_dimension" is there)");
  }
  for (const auto& width : {old_width, new_width}) {
    if (width && *width != hidden_size) {
      fail_at(config, ErrorCode::invalid_file, "the embedding dimension is {}, the encoder's hidden size is {}", *width,
              hidden_size);
    }
  }
}

void check_pooling_keys(const JsonObject& config) {
  constexpr std::array<std::string_view, 10> kKeys = {"embedding_dimension",
                                                      "word_embedding_dimension",
                                                      "pooling_mode",
                                                      "include_prompt",
                                                      "pooling_mode_cls_token",
                                                      "pooling_mode_max_tokens",
                                                      "pooling_mode_mean_tokens",
                                                      "pooling_mode_mean_sqrt_len_tokens",
                                                      "pooling_mode_weightedmean_tokens",
                                                      "pooling_mode_lasttoken"};
  for (const auto& [key, value] : config.value().items()) {
    if (std::find(kKeys.begin(), kKeys.end(), key) == kKeys.end()) {
      fail_at(config, ErrorCode::unsupported, "unknown key \"{}\"; pooling has {}", for_message(key),
              fmt::join(kKeys, ", "));
    }
  }
}

std::int64_t required_width(const JsonObject& config, const char* key) {
  const std::int64_t width = config.required_integer(key);
  if (width < 1 || width > kMaxWidth) {
    fail_at(config, ErrorCode::invalid_file, "\"{}\" is {}, must be from 1 to {}", key, width, kMaxWidth);
  }
  return width;
}

std::vector<std::string> keys_beyond(const JsonObject& config, std::initializer_list<std::string_view> known) {
  std::vector<std::string> keys;
  for (const auto& [key, value] : config.value().items()) {
    if (std::find(known.begin(), known.end(), key) == known.end()) keys.push_back(key);
  }
  return keys;
}

/// Since release 5 a module may read and write other features than the text's vector: token vectors, say.
void check_feature_names(const JsonObject& config, VectorsOf vectors) {
  const char* feature = vectors == VectorsOf::texts ? "sentence_embedding" : "token_embeddings";
  for (const char* key : {"module_input_name", "module_output_name"}) {
    const auto name = config.string(key);
    if (name && *name != feature) {
      fail_at(config, ErrorCode::unsupported, R"("{}" is "{}"; this model's modules work on "{}" only)", key,
              for_message(*name), feature);
    }
  }
}

/// The strings or numbers of a list; none where it is absent or null.
template <typename T>
std::vector<T> list_of(const JsonObject& config, const char* key, bool (Json::*is)() const, const char* what) {
  std::vector<T> values;
  const Json* list = config.find(key);
  if (list == nullptr) return values;
  if (!list->is_array() || !std::all_of(list->begin(), list->end(), [&](const Json& one) { return (one.*is)(); })) {
    fail_at(config, ErrorCode::invalid_file, "\"{}\" must be a list of {}", key, what);
  }
  for (const Json& one : *list) values.push_back(one.get<T>());
  return values;
}

void check_order(const std::vector<ModuleEntry>& entries, const std::string& origin) {
  const bool is_static = entries.front().kind == ModuleKind::static_embedding;
  for (std::size_t i = 0; i < std::max<std::size_t>(entries.size(), is_static ? 1 : 2); ++i) {
    const auto is = [&](ModuleKind kind) { return i < entries.size() && entries[i].kind == kind; };
    const bool fits = i < entries.size() && (is(ModuleKind::transformer) == (i == 0 && !is_static)) &&
                      (is(ModuleKind::static_embedding) == (i == 0 && is_static)) &&
                      (is(ModuleKind::pooling) == (i == 1 && !is_static)) && !is(ModuleKind::multi_vector_mask);
    if (fits) continue;
    fail(
        ErrorCode::unsupported,
        "{}: module {} is out of place; Treble serves a Transformer and one Pooling, or a StaticEmbedding, then any of "
        "Dense, LayerNorm, Dropout, Normalize",
        origin, i);
  }
}

/// A class of torch.nn by its path, old or new: torch.nn.modules.activation.Tanh, torch.nn.Tanh.
Activation torch_activation(const std::string& path, const std::string& origin) {
  constexpr std::array<std::pair<std::string_view, Activation>, 6> kClasses = {{{"Identity", Activation::identity},
                                                                                {"GELU", Activation::gelu},
                                                                                {"ReLU", Activation::relu},
                                                                                {"SiLU", Activation::silu},
                                                                                {"Sigmoid", Activation::sigmoid},
                                                                                {"Tanh", Activation::tanh}}};
  for (const std::string_view package :
       {"torch.nn.", "torch.nn.modules.", "torch.nn.modules.activation.", "torch.nn.modules.linear."}) {
    for (const auto& [name, activation] : kClasses) {
      if (path.size() == package.size() + name.size() && path.starts_with(package) && path.ends_with(name)) {
        return activation;
      }
    }
  }
  fail(ErrorCode::unsupported,
       "{}: Treble has no activation \"{}\"; it has torch.nn's Identity, GELU, ReLU, SiLU, Sigmoid, Tanh", origin,
       for_message(path));
}

}  // namespace

void check_module_path(const std::string& path, const std::string& place) {
  const std::filesystem::path parsed(path);
  const bool leaves = std::find(parsed.begin(), parsed.end(), "..") != parsed.end();
  if (parsed.is_absolute() || leaves || path.find('\0') != std::string::npos) {
    fail(ErrorCode::invalid_file, "{}: the path \"{}\" leaves the model's folder", place, for_message(path));
  }
}

namespace {

std::vector<ModuleEntry> parse_entries(const Json& modules, const std::string& origin, bool of_tokens) {
  if (!modules.is_array() || modules.empty()) {
    fail(ErrorCode::invalid_file, "{}: expected a list of modules, found {}", origin,
         modules.is_array() ? "an empty one" : modules.type_name());
  }
  std::vector<ModuleEntry> entries;
  std::set<std::string> names;
  for (const Json& module : modules) {
    const std::string place = fmt::format("{}: module {}", origin, entries.size());
    entries.push_back(parse_module(module, place, of_tokens));
    const std::string name = module.contains("name") ? required_text(module, "name", place) : place;
    if (!names.insert(name).second)
      fail(ErrorCode::invalid_file, "{}: the name \"{}\" appears twice", place, for_message(name));
  }
  return entries;
}

}  // namespace

std::vector<ModuleEntry> parse_modules(const Json& modules, const std::string& origin) {
  auto entries = parse_entries(modules, origin, false);
  check_order(entries, origin);
  return entries;
}

std::vector<ModuleEntry> parse_token_modules(const Json& modules, const std::string& origin) {
  auto entries = parse_entries(modules, origin, true);
  for (std::size_t i = 0; i < entries.size(); ++i) {
    const ModuleKind kind = entries[i].kind;
    const bool of_tokens = kind == ModuleKind::dense || kind == ModuleKind::normalize || kind == ModuleKind::dropout ||
                           kind == ModuleKind::multi_vector_mask;
    if (i == 0 ? kind == ModuleKind::transformer : of_tokens) continue;
    fail(
        ErrorCode::unsupported,
        "{}: module {} is out of place; of a model with a vector for each token, Treble serves a Transformer, then any "
        "of Dense, Normalize, MultiVectorMask, Dropout",
        origin, i);
  }
  return entries;
}

PoolingConfig parse_pooling_config(const JsonObject& config, std::int64_t hidden_size) {
  check_pooling_keys(config);
  PoolingConfig result{pooling_modes(config), config.boolean("include_prompt").value_or(true)};
  check_pooling_width(config, hidden_size);
  return result;
}

DenseConfig parse_dense_config(const JsonObject& config, VectorsOf vectors) {
  check_feature_names(config, vectors);
  DenseConfig result;
  result.in_features = required_width(config, "in_features");
  result.out_features = required_width(config, "out_features");
  result.bias = config.boolean("bias").value_or(true);
  result.use_residual = config.boolean("use_residual").value_or(false);
  // Absent means Tanh to sentence-transformers, null means nothing to it.
  if (config.contains("activation_function")) {
    result.activation = torch_activation(config.required_string("activation_function"), config.origin());
  }
  result.unused_keys = keys_beyond(config, {"in_features", "out_features", "bias", "activation_function",
                                            "use_residual", "module_input_name", "module_output_name"});
  return result;
}

std::int64_t parse_layer_norm_config(const JsonObject& config) {
  if (const auto unknown = keys_beyond(config, {"dimension"}); !unknown.empty()) {
    fail_at(config, ErrorCode::unsupported, "unknown key \"{}\"; LayerNorm has dimension",
            for_message(unknown.front()));
  }
  return required_width(config, "dimension");
}

std::vector<std::string> read_normalize_config(const JsonObject& config, VectorsOf vectors) {
  if (vectors == VectorsOf::tokens) config.required_string("module_input_name");
  check_feature_names(config, vectors);
  return keys_beyond(config, {"module_input_name", "module_output_name"});
}

MultiVectorMaskConfig parse_multi_vector_mask_config(const JsonObject& config) {
  MultiVectorMaskConfig result;
  result.skiplist_words = list_of<std::string>(config, "skiplist_words", &Json::is_string, "strings");
  result.kept_ids = list_of<std::int32_t>(config, "keep_only_token_ids", &Json::is_number_integer, "token ids");
  const Json* tasks = config.find("skiplist_tasks");
  if (tasks != nullptr) {
    const auto names = tasks->is_string() ? std::vector<std::string>{tasks->get<std::string>()}
                                          : list_of<std::string>(config, "skiplist_tasks", &Json::is_string, "strings");
    const auto has = [&](const char* name) { return std::find(names.begin(), names.end(), name) != names.end(); };
    result.skips_in_queries = has("query");
    result.skips_in_documents = has("document");
  }
  result.unused_keys = keys_beyond(config, {"skiplist_words", "skiplist_tasks", "keep_only_token_ids"});
  return result;
}

}  // namespace treble::internal
