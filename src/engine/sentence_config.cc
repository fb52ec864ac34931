#include "engine/sentence_config.h"

#include <algorithm>
#include <array>
#include <initializer_list>
#include <span>
#include <string_view>
#include <system_error>

#include "base/fail.h"
#include "base/file_presence.h"

namespace treble::internal {

namespace {

namespace fs = std::filesystem;

// sentence-transformers wrote this file under the name of the transformer for a while; in the order in which it looks.
constexpr std::array kConfigNames = {"sentence_bert_config.json",       "sentence_roberta_config.json",
                                     "sentence_distilbert_config.json", "sentence_camembert_config.json",
                                     "sentence_albert_config.json",     "sentence_xlm-roberta_config.json",
                                     "sentence_xlnet_config.json"};

using Names = std::initializer_list<std::string_view>;

bool is_one_of(std::string_view name, Names names) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

/// The object under `key`, or nullptr when it is absent, null or empty.
const nlohmann::json* object_under(const JsonObject& json, const char* key) {
  const auto found = json.value().find(key);
  if (found == json.value().end() || found->is_null() || found->empty()) return nullptr;
  if (!found->is_object()) {
    fail_at(json, ErrorCode::invalid_file, "\"{}\" must be an object, found {}", key, found->type_name());
  }
  return &*found;
}

/// Reads the members of a file's inner object as if they were a file's own.
JsonObject inner(const nlohmann::json& object, const JsonObject& json) {
  return JsonObject::from_value(object, json.origin(), json.file());
}

// ---- modality_config --------------------------------------------------------------------------------------------

/// How sentence-transformers spells a task and what comes of it.
struct TaskNames {
  const char* task;
  const char* method_output;
  const char* module_output;
};

constexpr TaskNames kFeatures = {"feature-extraction", "last_hidden_state", "token_embeddings"};
constexpr TaskNames kClassification = {"sequence-classification", "logits", "scores"};
constexpr TaskNames kFillMask = {"fill-mask", "logits", "token_embeddings"};

const TaskNames& names_of(TransformerTask task) {
  switch (task) {
    case TransformerTask::feature_extraction: break;
    case TransformerTask::sequence_classification: return kClassification;
    case TransformerTask::fill_mask: return kFillMask;
  }
  return kFeatures;
}

void require_text(const nlohmann::json& params, const JsonObject& json, const TaskNames& names) {
  const auto says = [&](const char* key, const char* wanted) {
    const auto found = params.find(key);
    return found != params.end() && (*found == nlohmann::json(wanted) || *found == nlohmann::json::array({wanted}));
  };
  if (!params.is_object() || !says("method", "forward") || !says("method_output_name", names.method_output)) {
    fail_at(json, ErrorCode::unsupported, R"("modality_config" takes texts as {:.200}; Treble gives the {} of forward)",
            params.dump(), names.method_output);
  }
}

/// Which output of the model stands for a text. Absent: the last hidden state, as in files written before release 5.4.
void check_modality(const JsonObject& json, const TaskNames& names) {
  // Files of before release 5.4 do not say it of an MLMTransformer, whose task it is.
  const bool fill_mask = names.task == kFillMask.task;
  const std::string task = json.string("transformer_task").value_or(fill_mask ? kFillMask.task : kFeatures.task);
  if (task != names.task) {
    fail_at(json, ErrorCode::unsupported, R"("transformer_task" is "{:.40}"; Treble serves "{}" here)", task,
            names.task);
  }
  const nlohmann::json* modalities = object_under(json, "modality_config");
  if (modalities == nullptr) return;
  if (modalities->contains("message")) {
    fail_at(json, ErrorCode::unsupported,
            "\"modality_config\" has \"message\": sentence-transformers puts every text into the model's chat "
            "template, "
            "which Treble does not have; remove \"message\" there if the model was trained on plain texts");
  }
  if (!modalities->contains("text")) {
    fail_at(json, ErrorCode::unsupported, R"("modality_config" has no "text")");
  }
  require_text(modalities->at("text"), json, names);
  const std::string output = json.required_string("module_output_name");
  if (output != names.module_output) {
    fail_at(json, ErrorCode::unsupported, R"("module_output_name" is "{:.40}"; Treble takes "{}")", output,
            names.module_output);
  }
}

// ---- processing_kwargs: arguments of every call of the tokenizer ------------------------------------------------

/// Nothing when texts are cut as ever.
std::optional<StatedLimit> limit_by_truncation(const JsonObject& arguments) {
  const auto found = arguments.value().find("truncation");
  if (found == arguments.value().end()) return std::nullopt;
  if (*found == nlohmann::json(true) || *found == nlohmann::json("longest_first") ||
      *found == nlohmann::json("only_first"))
    return std::nullopt;
  if (found->is_null() || *found == nlohmann::json(false) || *found == nlohmann::json("do_not_truncate")) {
    return StatedLimit{kNoLimit, "truncation of sentence_bert_config.json"};
  }
  fail_at(arguments, ErrorCode::unsupported,
          R"("truncation" of "processing_kwargs" is {:.40}; Treble cuts "longest_first")", found->dump());
}

std::optional<StatedLimit> read_call_arguments(const JsonObject& json, const nlohmann::json& given,
                                               const char* section) {
  const JsonObject arguments = inner(given, json);
  for (const auto& [key, value] : given.items()) {
    if (is_one_of(key, {"max_length", "truncation", "padding", "pad_to_multiple_of", "return_tensors", "verbose"}))
      continue;
    if (key == "add_special_tokens" && value == nlohmann::json(true)) continue;
    fail_at(json, ErrorCode::unsupported,
            R"("processing_kwargs" gives "{:.60}": {:.60} to the tokenizer ("{}"), which Treble does not obey)", key,
            value.dump(), section);
  }
  if (const auto unlimited = limit_by_truncation(arguments)) return unlimited;
  return read_limit(arguments, "max_length");
}

std::optional<StatedLimit> read_processing(const JsonObject& json, std::vector<std::string>& warnings) {
  const nlohmann::json* processing = object_under(json, "processing_kwargs");
  if (processing == nullptr) return std::nullopt;
  const JsonObject sections = inner(*processing, json);
  std::optional<StatedLimit> limit;
  // Of the same argument in both, that of "common" counts.
  for (const char* section : {"text", "common"}) {
    const nlohmann::json* given = object_under(sections, section);
    if (given == nullptr) continue;
    if (auto stated = read_call_arguments(json, *given, section)) limit = std::move(stated);
  }
  for (const auto& [section, value] : processing->items()) {
    // The others are for what is no text, and for chat templates, which are refused where they are used.
    if (is_one_of(section, {"text", "common", "audio", "image", "video", "chat_template"})) continue;
    warnings.push_back(fmt::format(R"({}: "processing_kwargs" has an unknown part "{:.60}", which is not used)",
                                   json.origin(), section));
  }
  return limit;
}

// ---- arguments with which the model, its config and its tokenizer are loaded ------------------------------------

/// Whether loading with these gives the same vectors as without: where the files come from, how they are read, how
/// attention is computed. Of types: Treble computes in the one that --dtype says.
bool is_harmless(const std::string& key, const nlohmann::json& value) {
  if (key == "quantization_config") return value.is_null();
  if (is_one_of(key, {"load_in_4bit", "load_in_8bit"})) return value.is_null() || value == nlohmann::json(false);
  return is_one_of(key, {"trust_remote_code",
                         "revision",
                         "token",
                         "use_auth_token",
                         "cache_dir",
                         "local_files_only",
                         "force_download",
                         "resume_download",
                         "proxies",
                         "subfolder",
                         "use_fast",
                         "clean_up_tokenization_spaces",
                         "padding",
                         "padding_side",
                         "truncation",
                         "max_length",
                         "torch_dtype",
                         "dtype",
                         "attn_implementation",
                         "use_flash_attention_2",
                         "device_map",
                         "low_cpu_mem_usage",
                         "use_safetensors",
                         "add_pooling_layer",
                         "use_cache",
                         "max_memory",
                         "offload_folder",
                         "torchscript",
                         "unpad_inputs",
                         "use_memory_efficient_attention",
                         "output_hidden_states",
                         "output_attentions",
                         "return_dict"});
}

/// Arguments under one of several names, the oldest of which wins; `file` holds what they would override.
struct LoadArguments {
  std::span<const char* const> names;
  const char* file;
  const char* obeyed;  ///< the argument that is read elsewhere; may be empty
};

constexpr std::array<const char*, 2> kModelArgumentNames = {"model_args", "model_kwargs"};
constexpr std::array<const char*, 2> kConfigArgumentNames = {"config_args", "config_kwargs"};
constexpr std::array<const char*, 3> kTokenizerArgumentNames = {"tokenizer_args", "processor_kwargs",
                                                                "tokenizer_kwargs"};
constexpr LoadArguments kModelArguments = {kModelArgumentNames, "config.json", ""};
constexpr LoadArguments kConfigArguments = {kConfigArgumentNames, "config.json", ""};
constexpr LoadArguments kTokenizerArguments = {kTokenizerArgumentNames, "tokenizer_config.json", "model_max_length"};

const nlohmann::json* find_arguments(const JsonObject& json, const LoadArguments& arguments) {
  for (const char* name : arguments.names) {
    if (json.contains(name)) return object_under(json, name);
  }
  return nullptr;
}

/// Refuses what neither changes nothing nor repeats what the file says already.
void check_arguments(const JsonObject& json, const fs::path& folder, const LoadArguments& arguments) {
  const nlohmann::json* given = find_arguments(json, arguments);
  if (given == nullptr) return;
  const fs::path path = folder / arguments.file;
  const nlohmann::json file = is_there(path) ? JsonObject::from_file(path).value() : nlohmann::json::object();
  for (const auto& [key, value] : given->items()) {
    const auto said = file.find(key);
    if (is_one_of(key, {"add_bos_token", "add_eos_token"})) {
      fail_at(
          json, ErrorCode::unsupported,
          R"("{}" gives "{:.60}": {:.60}, which transformers heeds as an argument alone and Treble does not; save the )"
          "tokenizer as loaded with it, and remove it here",
          arguments.names.front(), key, value.dump());
    }
    if (key == arguments.obeyed || is_harmless(key, value) || (said != file.end() && *said == value)) continue;
    fail_at(json, ErrorCode::unsupported,
            R"("{}" gives "{:.60}": {:.60}, which Treble does not obey; write it into {} instead)",
            arguments.names.front(), key, value.dump(), arguments.file);
  }
}

/// The limit that the module's own config states; that of the tokenizer's arguments wins.
std::optional<StatedLimit> read_own_limit(const JsonObject& json) {
  if (const nlohmann::json* given = find_arguments(json, kTokenizerArguments)) {
    if (auto limit = read_limit(inner(*given, json), "model_max_length")) return limit;
  }
  return read_limit(json, "max_seq_length");
}

void check_other_keys(const JsonObject& json, bool of_tokens, SentenceConfig& config) {
  constexpr std::array<std::string_view, 16> kRead = {
      "max_seq_length",   "do_lower_case",     "modality_config", "module_output_name",
      "transformer_task", "processing_kwargs", "model_args",      "model_kwargs",
      "config_args",      "config_kwargs",     "tokenizer_args",  "unpad_inputs",
      "tokenizer_kwargs", "cache_dir",         "backend",         "processor_kwargs"};
  for (const auto& [key, value] : json.value().items()) {
    if (of_tokens && is_one_of(key, {"query_length", "document_length", "query_expansion"})) {
      config.tokens[key] = value;
      continue;
    }
    if (value.is_null() || std::find(kRead.begin(), kRead.end(), key) != kRead.end()) continue;
    if (is_one_of(key, {"query_expansion", "tokenizer_name_or_path"})) {
      fail_at(json, ErrorCode::unsupported, "Treble does not obey \"{}\" ({:.100})", key, value.dump());
    }
    const char* why = is_one_of(key, {"query_length", "document_length"})
                          ? "sentence-transformers uses it in encode_query and encode_document only"
                          : "nothing is known of it";
    config.warnings.push_back(fmt::format("{}: \"{:.60}\" is not used: {}", json.origin(), key, why));
  }
}

SentenceConfig parse(const JsonObject& json, const fs::path& folder, const TaskNames& names, bool of_tokens) {
  SentenceConfig config;
  check_modality(json, names);
  check_arguments(json, folder, kModelArguments);
  check_arguments(json, folder, kConfigArguments);
  check_arguments(json, folder, kTokenizerArguments);
  check_other_keys(json, of_tokens, config);
  config.lowercase = json.boolean("do_lower_case").value_or(false);
  config.own = read_own_limit(json);
  config.call = read_processing(json, config.warnings);
  return config;
}

}  // namespace

std::vector<std::string> sentence_config_names(const fs::path& folder) {
  std::vector<std::string> names;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(folder, error)) {
    const std::string name = entry.path().filename().string();
    if (name.starts_with("sentence_") && name.ends_with("_config.json")) names.push_back(name);
  }
  std::sort(names.begin(), names.end());
  return names;
}

SentenceConfig read_sentence_config(const fs::path& folder, TransformerTask task, bool of_tokens) {
  SentenceConfig config;
  std::string read;
  for (const char* name : kConfigNames) {
    if (!is_there(folder / name)) continue;
    const auto json = JsonObject::from_file(folder / name);
    if (json.value().empty()) continue;
    config = parse(json, folder, names_of(task), of_tokens);
    read = name;
    break;
  }
  for (const std::string& name : sentence_config_names(folder)) {
    if (name == read ||
        (read.empty() && std::find(kConfigNames.begin(), kConfigNames.end(), name) != kConfigNames.end()))
      continue;
    config.warnings.push_back(fmt::format("{}: not read, as sentence-transformers does not: {}",
                                          (folder / name).string(),
                                          read.empty() ? "it does not know the name" : read + " comes first"));
  }
  return config;
}

}  // namespace treble::internal
