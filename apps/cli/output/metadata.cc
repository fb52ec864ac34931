#include "output/metadata.h"

#include <array>
#include <chrono>
#include <ctime>
#include <optional>

#include "fail.h"
#include "treble/version.h"

namespace treble::cli {

namespace {

constexpr std::array<const char*, 8> kStateKeys = {
    "count", "tokens", "tokens_used", "truncated_texts", "tokens_lost", "replaced_characters", "complete", "resume"};

std::string now_utc() {
  const std::time_t now = std::chrono::system_clock::to_time_t(std::chrono::system_clock::now());
  std::tm parts = {};
  ::gmtime_r(&now, &parts);
  std::array<char, 32> text = {};
  std::strftime(text.data(), text.size(), "%Y-%m-%dT%H:%M:%SZ", &parts);
  return text.data();
}

const char* truncation_name(Truncation truncation) {
  switch (truncation) {
    case Truncation::start: return "start";
    case Truncation::error: return "error";
    case Truncation::end: break;
  }
  return "end";
}

/// The prompt that the engine puts before each text, by name and in full.
void add_prompt(const EncodeOptions& options, const ModelInfo& model, Json& json) {
  json["prompt_name"] = nullptr;
  json["prompt"] = options.prompt.value_or("");
  if (options.prompt) return;
  const std::string name = options.prompt_name.value_or(model.default_prompt_name);
  if (const auto found = model.prompts.find(name); found != model.prompts.end()) {
    json["prompt_name"] = name;
    json["prompt"] = found->second;
  }
}

template <typename T>
T state_field(const Json& object, const char* key, const std::string& origin) {
  const auto found = object.find(key);
  bool fits = found != object.end();
  if constexpr (std::is_same_v<T, std::string>) {
    fits = fits && found->is_string();
  } else if constexpr (std::is_same_v<T, bool>) {
    fits = fits && found->is_boolean();
  } else {
    fits = fits && found->is_number_unsigned();
  }
  if (!fits) fail(ErrorCode::invalid_file, "{}: \"{}\" is missing or damaged, so nothing can be resumed", origin, key);
  return found->template get<T>();
}

}  // namespace

void RunState::add(const Embeddings& embeddings) {
  count += embeddings.count;
  for (const auto& text : embeddings.token_counts) {
    tokens += text.tokens;
    tokens_used += text.used;
    truncated_texts += text.used < text.tokens ? 1 : 0;
  }
}

Json describe_run(const RunDescription& description) {
  const ModelInfo& model = *description.model;
  const EncodeOptions& options = description.options;
  Json json;
  json["treble"] = version();
  json["created"] = now_utc();
  json["model"] = {{"name", model.name},
                   {"path", model.path},
                   {"type", model.model_type},
                   {"weights_dtype", model.weights_dtype},
                   {"weights_sha256", description.weights_sha256}};
  json["temperature"] = options.temperature.to_string();
  // One number says it all only for a constant.
  const bool constant =
      !options.temperature.depends_on_length() && !options.temperature.to_string().starts_with("match:");
  json["logit_scale"] = constant ? Json(options.temperature.logit_scale(0, 0, 1)) : Json();
  json["baked_temperature"] = model.baked_temperature.empty() ? Json() : Json(model.baked_temperature);
  json["temper_position_bias"] = options.temper_position_bias;
  json["tempered_layers"] = model.tempered_layers;
  json["pooling"] = model.pooling;
  json["normalized"] = options.normalize.value_or(model.normalizes);
  json["dtype"] = "float32";
  json["compute_dtype"] = model.compute_dtype;
  json["dtype_reason"] = model.dtype_reason;
  json["cpu_isa"] = model.cpu_isa;
  json["dim"] = description.dim;
  json["dimensions"] = options.dimensions ? Json(*options.dimensions) : Json();
  json["max_length"] = options.max_length.value_or(model.max_length);
  json["position_extension"] = model.extension;
  json["truncation"] = truncation_name(options.truncation.value_or(model.truncation));
  add_prompt(options, model, json);
  json["special_tokens_as_text"] = description.special_tokens_as_text;
  json["inputs"] = description.inputs;
  return json;
}

Json with_state(const Json& metadata, const RunState& state, std::uint64_t bytes) {
  Json json = metadata;
  json["count"] = state.count;
  json["tokens"] = state.tokens;
  json["tokens_used"] = state.tokens_used;
  json["truncated_texts"] = state.truncated_texts;
  json["tokens_lost"] = state.tokens_lost();
  json["replaced_characters"] = state.replaced_characters;
  json["complete"] = state.complete;
  json["resume"] = {{"texts_sha256", state.texts_sha256}, {"bytes", bytes}};
  return json;
}

SavedState read_state(const Json& metadata, const std::string& origin) {
  SavedState state;
  state.run.count = state_field<std::int64_t>(metadata, "count", origin);
  state.run.tokens = state_field<std::int64_t>(metadata, "tokens", origin);
  state.run.tokens_used = state_field<std::int64_t>(metadata, "tokens_used", origin);
  state.run.truncated_texts = state_field<std::int64_t>(metadata, "truncated_texts", origin);
  state.run.replaced_characters = state_field<std::int64_t>(metadata, "replaced_characters", origin);
  state.run.complete = state_field<bool>(metadata, "complete", origin);
  const auto resume = metadata.find("resume");
  const Json& details = resume == metadata.end() || !resume->is_object() ? Json::object() : *resume;
  state.run.texts_sha256 = state_field<std::string>(details, "texts_sha256", origin);
  state.bytes = state_field<std::uint64_t>(details, "bytes", origin);
  return state;
}

Json without_state(Json metadata) {
  for (const char* key : kStateKeys) metadata.erase(key);
  return metadata;
}

}  // namespace treble::cli
