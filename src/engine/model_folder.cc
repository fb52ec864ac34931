#include "engine/model_folder.h"

#include <algorithm>
#include <array>

#include "base/fail.h"
#include "base/json_file.h"

namespace treble {

namespace {

namespace fs = std::filesystem;

/// The limit a file states; tokenizers without one write an absurdly large number.
void take_limit(const std::optional<double>& limit, const JsonObject& json, const char* key,
                std::optional<std::int64_t>& smallest) {
  constexpr double kNoLimit = 1e9;
  if (!limit || *limit >= kNoLimit) return;
  if (*limit < 1) fail(ErrorCode::invalid_file, "{}: \"{}\" is {}, it must be at least 1", json.origin(), key, *limit);
  const auto tokens = static_cast<std::int64_t>(*limit);
  smallest = smallest ? std::min(*smallest, tokens) : tokens;
}

void read_sentence_config(ModelSettings& settings) {
  // sentence-transformers wrote this file under the name of the transformer for a while.
  constexpr std::array kNames = {"sentence_bert_config.json",        "sentence_roberta_config.json",
                                 "sentence_distilbert_config.json",  "sentence_camembert_config.json",
                                 "sentence_xlm-roberta_config.json", "sentence_xlnet_config.json"};
  for (const char* name : kNames) {
    const fs::path path = settings.transformer_folder / name;
    if (!fs::exists(path)) continue;
    const auto json = JsonObject::from_file(path);
    take_limit(json.number("max_seq_length"), json, "max_seq_length", settings.stated_max_length);
    settings.lowercase = json.boolean("do_lower_case").value_or(false);
    return;
  }
}

void read_tokenizer_config(ModelSettings& settings) {
  const fs::path path = settings.transformer_folder / "tokenizer_config.json";
  if (!fs::exists(path)) return;
  const auto json = JsonObject::from_file(path);
  take_limit(json.number("model_max_length"), json, "model_max_length", settings.stated_max_length);
}

void read_prompts(const fs::path& folder, ModelSettings& settings) {
  const fs::path path = folder / "config_sentence_transformers.json";
  if (!fs::exists(path)) return;
  const auto json = JsonObject::from_file(path);
  settings.default_prompt_name = json.string("default_prompt_name").value_or("");
  settings.similarity = json.string("similarity_fn_name").value_or("cosine");
  if (const auto prompts = json.value().find("prompts"); prompts != json.value().end() && !prompts->is_null()) {
    if (!prompts->is_object()) fail(ErrorCode::invalid_file, "{}: \"prompts\" must be an object", path.string());
    for (const auto& [name, prompt] : prompts->items()) {
      if (!prompt.is_string()) fail(ErrorCode::invalid_file, "{}: prompt \"{}\" must be a string", path.string(), name);
      settings.prompts[name] = prompt.get<std::string>();
    }
  }
  if (!settings.default_prompt_name.empty() && !settings.prompts.contains(settings.default_prompt_name)) {
    fail(ErrorCode::invalid_file, "{}: default_prompt_name \"{}\" is not among the prompts", path.string(),
         settings.default_prompt_name);
  }
}

}  // namespace

ModelSettings read_model_settings(const fs::path& folder) {
  ModelSettings settings;
  settings.transformer_folder = transformer_folder(folder);
  read_sentence_config(settings);
  read_tokenizer_config(settings);
  read_prompts(folder, settings);
  return settings;
}

}  // namespace treble
