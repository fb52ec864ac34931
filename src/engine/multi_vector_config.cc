#include "engine/multi_vector_config.h"

#include <algorithm>
#include <array>
#include <string_view>

#include "base/fail_about.h"
#include "base/file_presence.h"
#include "base/json_file.h"

namespace treble::internal {

namespace {

namespace fs = std::filesystem;

constexpr std::int64_t kMaxLength = std::int64_t{1} << 24;
constexpr std::int64_t kUsualQueryLength = 32;

/// Of config_sentence_transformers.json as PyLate writes it.
constexpr std::array<std::string_view, 9> kPylateKeys = {
    "query_length",          "document_length", "query_expansion", "do_query_expansion", "attend_to_expansion_tokens",
    "attend_to_mask_tokens", "query_prefix",    "document_prefix", "skiplist_words"};

/// Python's string.punctuation.
std::vector<std::string> punctuation() {
  std::vector<std::string> result;
  for (const char c : std::string_view(R"(!"#$%&'()*+,-./:;<=>?@[\]^_`{|}~)")) result.emplace_back(1, c);
  return result;
}

std::optional<std::int64_t> read_length(const JsonObject& json, const char* key) {
  const auto length = json.integer(key);
  if (length && (*length < 1 || *length > kMaxLength)) {
    fail_at(json, ErrorCode::invalid_file, R"("{}" is {}, it must be from 1 to {})", key, *length, kMaxLength);
  }
  return length;
}

QueryExpansion parse_expansion(const nlohmann::json& value, const JsonObject& where) {
  const JsonObject json = JsonObject::from_value(value, where.origin() + ", \"query_expansion\"", where.file());
  for (const auto& [key, ignored] : value.items()) {
    if (key == "strategy" || key == "attend" || key == "token" || key == "length") continue;
    fail_at(json, ErrorCode::unsupported, "unknown key \"{:.60}\"; known are strategy, attend, token, length", key);
  }
  const std::string strategy = json.required_string("strategy");
  if (strategy != "fixed" && strategy != "min") {
    fail_at(json, ErrorCode::unsupported, R"("strategy" is "{:.60}"; known are fixed, min)", strategy);
  }
  const auto length = read_length(json, "length");
  if (!length) fail_at(json, ErrorCode::invalid_file, "\"length\" is missing");
  return {.length = *length,
          .is_maximum = strategy == "fixed",
          .attend = json.boolean("attend").value_or(false),
          .token = json.string("token").value_or("")};
}

/// As "query_expansion", or the flat keys of PyLate: on, and not attended to, where they do not say.
void read_expansion(const JsonObject& json, MultiVectorSettings& settings) {
  if (json.contains("query_expansion")) {
    if (const auto* value = json.find("query_expansion")) settings.expansion = parse_expansion(*value, json);
    return;
  }
  const bool by_pylate =
      std::any_of(kPylateKeys.begin(), kPylateKeys.end(), [&](std::string_view key) { return json.contains(key); });
  if (!by_pylate || !json.boolean("do_query_expansion").value_or(true)) return;
  const bool attend =
      json.boolean("attend_to_expansion_tokens").value_or(json.boolean("attend_to_mask_tokens").value_or(false));
  settings.expansion = {.length = settings.query_length.value_or(kUsualQueryLength), .attend = attend};
  settings.query_length.reset();
}

std::optional<std::vector<std::string>> read_words(const JsonObject& json) {
  const nlohmann::json* list = json.find("skiplist_words");
  if (list == nullptr) return std::nullopt;
  if (!list->is_array() || !std::all_of(list->begin(), list->end(), [](const auto& one) { return one.is_string(); })) {
    fail_at(json, ErrorCode::invalid_file, "\"skiplist_words\" must be a list of strings");
  }
  return list->get<std::vector<std::string>>();
}

bool has_pylate_module(const fs::path& folder) {
  for (const auto& module : parse_json_file(folder / "modules.json")) {
    if (!module.is_object()) continue;
    const auto type = module.find("type");
    if (type != module.end() && type->is_string() && type->get<std::string>().starts_with("pylate.")) return true;
  }
  return false;
}

std::optional<MultiVectorForm> form_of(const JsonObject& json, const fs::path& folder) {
  const std::string type = json.string("model_type").value_or("SentenceTransformer");
  if (type == "MultiVectorEncoder") return MultiVectorForm::modules;
  const bool marked = json.contains("query_prefix") || json.contains("document_prefix") || has_pylate_module(folder);
  if (type == "ColBERT" || (type == "SentenceTransformer" && marked)) return MultiVectorForm::pylate;
  return std::nullopt;
}

std::optional<MultiVectorSettings> read_modules_folder(const fs::path& folder) {
  const fs::path path = folder / "config_sentence_transformers.json";
  if (!is_there(path)) return std::nullopt;
  const auto json = JsonObject::from_file(path);
  const auto form = form_of(json, folder);
  if (!form) return std::nullopt;
  MultiVectorSettings settings{.form = *form};
  settings.query_length = read_length(json, "query_length");
  settings.document_length = read_length(json, "document_length");
  read_expansion(json, settings);
  for (const auto& [key, prompt] : {std::pair("query_prefix", "query"), std::pair("document_prefix", "document")}) {
    if (json.contains(key)) settings.marks[prompt] = json.string(key).value_or("");
  }
  settings.skiplist_words = read_words(json).value_or(punctuation());
  settings.mean_max_sim = json.string("similarity_fn_name") == "meanmaxsim";
  return settings;
}

bool is_stanford(const fs::path& config) {
  if (!is_there(config)) return false;
  const auto json = JsonObject::from_file(config);
  const nlohmann::json* names = json.find("architectures");
  return names != nullptr && names->is_array() && std::find(names->begin(), names->end(), "HF_ColBERT") != names->end();
}

/// artifact.metadata of the ColBERT repository: its settings in training, of which some are about reading.
std::optional<MultiVectorSettings> read_stanford_folder(const ModelParts& parts) {
  if (!is_stanford(parts.weights / "config.json")) return std::nullopt;
  const fs::path path = parts.folder / "artifact.metadata";
  const auto json = is_there(path) ? JsonObject::from_file(path) : JsonObject::from_text("{}", path.string());
  if (const auto similarity = json.string("similarity"); similarity && *similarity != "cosine") {
    fail_at(json, ErrorCode::unsupported, R"("similarity" is "{:.40}"; Treble has "cosine")", *similarity);
  }
  MultiVectorSettings settings{.form = MultiVectorForm::stanford};
  settings.marks["query"] = json.string("query_token_id").value_or("[unused0]") + " ";
  settings.marks["document"] = json.string("doc_token_id").value_or("[unused1]") + " ";
  settings.document_length = read_length(json, "doc_maxlen");
  settings.expansion = {.length = read_length(json, "query_maxlen").value_or(kUsualQueryLength),
                        .attend = json.boolean("attend_to_mask_tokens").value_or(false)};
  if (json.boolean("mask_punctuation").value_or(true)) settings.skiplist_words = punctuation();
  return settings;
}

}  // namespace

std::optional<MultiVectorSettings> read_multi_vector_settings(const ModelParts& parts) {
  if (parts.is_static) return std::nullopt;
  return is_there(parts.folder / "modules.json") ? read_modules_folder(parts.folder) : read_stanford_folder(parts);
}

void apply_sentence_config(const SentenceConfig& config, const fs::path& folder, MultiVectorSettings& settings) {
  if (config.tokens.empty()) return;
  const auto json = JsonObject::from_value(config.tokens, "the Transformer's config of " + folder.string(), folder);
  if (json.contains("query_length")) settings.query_length = read_length(json, "query_length");
  if (json.contains("document_length")) settings.document_length = read_length(json, "document_length");
  if (json.contains("query_expansion")) {
    const nlohmann::json* value = json.find("query_expansion");
    settings.expansion = value == nullptr ? std::nullopt : std::optional(parse_expansion(*value, json));
  }
  if (settings.expansion && settings.query_length && *settings.query_length < settings.expansion->length) {
    fail_at(json, ErrorCode::invalid_file,
            R"("query_length" is {}, but queries are expanded to {} tokens ("query_expansion"))",
            *settings.query_length, settings.expansion->length);
  }
}

bool is_multi_vector_key(std::string_view key) {
  return std::find(kPylateKeys.begin(), kPylateKeys.end(), key) != kPylateKeys.end();
}

}  // namespace treble::internal
