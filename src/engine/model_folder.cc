#include "engine/model_folder.h"

#include <algorithm>
#include <array>
#include <utility>

#include "base/fail_about.h"
#include "base/file_presence.h"
#include "base/json_file.h"
#include "base/mapped_file.h"
#include "base/required.h"
#include "engine/sentence_config.h"

namespace treble::internal {

namespace {

namespace fs = std::filesystem;

constexpr const char* kModelConfig = "config_sentence_transformers.json";

void read_prompts(const JsonObject& json, ModelSettings& settings) {
  settings.default_prompt_name = json.string("default_prompt_name").value_or("");
  if (const auto prompts = json.value().find("prompts"); prompts != json.value().end() && !prompts->is_null()) {
    if (!prompts->is_object()) fail_at(json, ErrorCode::invalid_file, "\"prompts\" must be an object");
    for (const auto& [name, prompt] : prompts->items()) {
      if (!prompt.is_string() && !prompt.is_null()) {
        fail_at(json, ErrorCode::invalid_file, "prompt \"{:.100}\" must be a string", name);
      }
      settings.prompts[name] = prompt.is_null() ? std::string() : prompt.get<std::string>();
    }
  }
  const std::string& name = settings.default_prompt_name;
  if (name.empty() || find_prompt(settings, name)) return;
  fail_at(json, ErrorCode::invalid_file, "default_prompt_name \"{:.100}\" is not among the prompts", name);
}

void read_similarity(const JsonObject& json, ModelSettings& settings) {
  const bool sparse = settings.sparse.source == SparseSettings::Source::splade_modules;
  if (sparse) settings.similarity = Similarity::dot;
  const auto name = json.string("similarity_fn_name");
  if (!name) return;
  for (const Similarity known : {Similarity::cosine, Similarity::dot, Similarity::euclidean, Similarity::manhattan}) {
    if (to_string(known) != *name) continue;
    settings.similarity = known;
    return;
  }
  settings.warnings.push_back(fmt::format(
      "{}: \"similarity_fn_name\" is \"{:.40}\", none of cosine, dot, euclidean, manhattan; cosine is used, as "
      "in sentence-transformers",
      json.origin(), *name));
}

void check_model_class(const JsonObject& json, const ModelSettings& settings) {
  if (settings.purpose != ModelPurpose::vectors || settings.multi_vector) return;
  const std::string type = json.string("model_type").value_or("SentenceTransformer");
  const bool sparse = settings.sparse.source == SparseSettings::Source::splade_modules;
  if (type == (sparse ? "SparseEncoder" : "SentenceTransformer") || (sparse && type == "SentenceTransformer")) return;
  fail_at(
      json, ErrorCode::unsupported,
      R"(the model is a {:.40}; Treble serves a SentenceTransformer, one vector a text, and a SparseEncoder of a Transformer and a SpladePooling{})",
      type, type == "CrossEncoder" ? ", and this as a reranker (Reranker, treble rerank, treble serve)" : "");
}

void read_model_config(const fs::path& folder, ModelSettings& settings) {
  const fs::path path = folder / kModelConfig;
  if (!is_there(path)) return;
  const auto json = JsonObject::from_file(path);
  check_model_class(json, settings);
  read_prompts(json, settings);
  if (settings.purpose == ModelPurpose::vectors && !settings.multi_vector) read_similarity(json, settings);
  // truncate_dim is read with the modules.
  constexpr std::array<std::string_view, 7> kKnown = {"__version__",         "model_type",         "prompts",
                                                      "default_prompt_name", "similarity_fn_name", "truncate_dim",
                                                      "requirements"};
  for (const auto& [key, value] : json.value().items()) {
    if (value.is_null() || std::find(kKnown.begin(), kKnown.end(), key) != kKnown.end()) continue;
    // The second is about autocast, which there is none of: heads are computed in float32 always.
    const bool of_scores = key == "activation_fn" || key == "keep_in_fp32_modules";
    if (key == "max_active_dims" && settings.sparse.source == SparseSettings::Source::splade_modules) continue;
    if (settings.purpose == ModelPurpose::scores && of_scores) continue;
    if (settings.multi_vector && is_multi_vector_key(key)) continue;
    settings.warnings.push_back(fmt::format("{}: \"{:.60}\" is not used: nothing is known of it", json.origin(), key));
  }
}

/// sentence-transformers renders the texts of a plain transformer through its chat template, if there is one. Those of
/// embedding models are not.
void refuse_chat_template(const fs::path& folder) {
  const fs::path config = folder / "tokenizer_config.json";
  fs::path file;
  std::string what;
  if (is_there(config)) {
    const auto json = JsonObject::from_file(config);
    const auto found = json.value().find("chat_template");
    if (found != json.value().end() && !found->is_null()) {
      file = config;
      what = "\"chat_template\": ";
    }
  }
  for (const char* name : {"chat_template.jinja", "chat_template.json", "additional_chat_templates"}) {
    if (file.empty() && is_there(folder / name)) file = folder / name;
  }
  if (file.empty()) return;
  fail_file(
      file, ErrorCode::unsupported,
      "{}without modules.json, sentence-transformers puts every text into this chat template, which Treble does for "
      "rerankers alone; add the model's modules.json, or remove the template if the model was trained on plain texts",
      what);
}

void read_plain_folder(const fs::path& folder, ModelSettings& settings) {
  if (settings.purpose == ModelPurpose::vectors) {
    refuse_chat_template(folder);
  } else if (PairTemplate::is_in(folder)) {
    settings.scores.chat = std::make_shared<const PairTemplate>(PairTemplate::load(folder, {}));
  }
  auto names = sentence_config_names(folder);
  if (is_there(folder / kModelConfig)) names.emplace_back(kModelConfig);
  for (const std::string& name : names) {
    settings.warnings.push_back(fmt::format(
        "{}: not read, as sentence-transformers does not read it without modules.json", (folder / name).string()));
  }
}

/// What sentence-transformers reads of a StaticEmbedding beside its modules: the tokenizer.json alone, of which the
/// limit for texts holds.
void read_static_settings(ModelSettings& settings) {
  const fs::path& folder = settings.parts.folder;
  if (is_there(folder / "modules.json")) {
    read_model_config(folder, settings);
  } else {
    settings.warnings.push_back(fmt::format(
        "{}: read as sentence-transformers' StaticEmbedding, which counts unknown tokens in the mean and cuts no text; "
        "model2vec itself leaves them out and cuts at 512 tokens",
        folder.string()));
  }
  const fs::path path = settings.parts.transformer / "tokenizer.json";
  if (!is_there(path)) return;
  const MappedFile file(path);
  // The vocabulary, which may be large, is not kept.
  const auto only_truncation = [](int depth, nlohmann::json::parse_event_t event, const nlohmann::json& parsed) {
    return depth != 1 || event != nlohmann::json::parse_event_t::key || parsed == nlohmann::json("truncation");
  };
  const auto* begin = reinterpret_cast<const char*>(file.bytes().data());
  const auto json = nlohmann::json::parse(begin, begin + file.bytes().size(), only_truncation, false);
  if (!json.is_object() || !json.contains("truncation") || !json["truncation"].is_object()) return;
  settings.limits.own =
      read_limit(JsonObject::from_value(json["truncation"], path.string() + ", \"truncation\"", path), "max_length");
  if (settings.limits.own) settings.limits.own->source = "truncation of tokenizer.json";
}

void read_tokenizer_limit(const fs::path& folder, StatedLimits& limits) {
  const fs::path path = folder / "tokenizer_config.json";
  if (!is_there(path)) return;
  const auto json = JsonObject::from_file(path);
  limits.tokenizer = read_limit(json, json.contains("model_max_length") ? "model_max_length" : "max_len");
}

/// -1 is how XLNet's config says that there are as many as one likes.
void read_position_limit(const fs::path& folder, StatedLimits& limits) {
  const auto json = JsonObject::from_file(folder / "config.json");
  const auto number = json.number("max_position_embeddings");
  if (number && *number != -1) limits.positions = read_limit(json, "max_position_embeddings");
}

TransformerTask task_of(const ModelSettings& settings) {
  if (settings.purpose == ModelPurpose::scores) {
    return settings.scores.tokens ? TransformerTask::text_generation : TransformerTask::sequence_classification;
  }
  const bool splade = settings.sparse.source == SparseSettings::Source::splade_modules;
  return splade ? TransformerTask::fill_mask : TransformerTask::feature_extraction;
}

/// Marks become the prompts of queries and documents; a prompt of the same name goes on behind its mark.
void put_marks(ModelSettings& settings) {
  for (const auto& [name, mark] : required(settings.multi_vector).marks) {
    std::string& prompt = settings.prompts[name];
    if (!prompt.starts_with(mark)) prompt.insert(0, mark);
  }
}

}  // namespace

std::optional<std::string> find_prompt(const ModelSettings& settings, const std::string& name) {
  if (const auto found = settings.prompts.find(name); found != settings.prompts.end()) return found->second;
  if (name == "query" || name == "document") return std::string();
  return std::nullopt;
}

ModelSettings read_model_settings(ModelParts parts, ModelPurpose purpose) {
  ModelSettings settings;
  settings.parts = std::move(parts);
  settings.purpose = purpose;
  settings.warnings = settings.parts.warnings;
  if (purpose == ModelPurpose::scores) {
    settings.scores = read_score_settings(settings.parts);
    const auto& warnings = settings.scores.warnings;
    settings.warnings.insert(settings.warnings.end(), warnings.begin(), warnings.end());
  }
  if (purpose == ModelPurpose::vectors) settings.multi_vector = read_multi_vector_settings(settings.parts);
  if (purpose == ModelPurpose::vectors && !settings.multi_vector) {
    settings.sparse = read_sparse_settings(settings.parts);
    const auto& warnings = settings.sparse.warnings;
    settings.warnings.insert(settings.warnings.end(), warnings.begin(), warnings.end());
  }
  const fs::path& folder = settings.parts.folder;
  const fs::path& transformer = settings.parts.transformer;
  if (settings.parts.is_static) {
    read_static_settings(settings);
    return settings;
  }
  if (is_there(folder / "modules.json")) {
    read_model_config(folder, settings);
    SentenceConfig config = read_sentence_config(transformer, task_of(settings), settings.multi_vector.has_value());
    if (settings.multi_vector) apply_sentence_config(config, transformer, *settings.multi_vector);
    if (config.chat) {
      settings.scores.chat = std::make_shared<const PairTemplate>(PairTemplate::load(transformer, *config.chat));
    }
    settings.lowercase = config.lowercase;
    settings.limits.own = std::move(config.own);
    settings.limits.call = std::move(config.call);
    settings.warnings.insert(settings.warnings.end(), config.warnings.begin(), config.warnings.end());
  } else {
    read_plain_folder(folder, settings);
  }
  if (settings.multi_vector) put_marks(settings);
  read_tokenizer_limit(transformer, settings.limits);
  read_position_limit(settings.parts.weights, settings.limits);
  return settings;
}

}  // namespace treble::internal
