#include "treble/provenance.h"

#include <nlohmann/json.hpp>

#include "base/fail.h"
#include "base/json_text.h"
#include "engine/output_collector.h"
#include "engine/vector_identity.h"
#include "treble/outputs.h"
#include "treble/version.h"

namespace treble {

namespace {

using Json = nlohmann::ordered_json;

Json describe_model(const SentenceEncoder& encoder) {
  const ModelInfo& model = encoder.info();
  const ModelFingerprint& fingerprint = encoder.fingerprint();
  Json json = {{"name", model.name},
               {"path", model.path.string()},
               {"type", model.model_type},
               {"weights_dtype", to_string(model.weights_dtype)},
               {"weights_sha256", encoder.weights_sha256()},
               {"sha256", fingerprint.sha256},
               {"files", fingerprint.files}};
  if (!model.adapter.empty()) json["adapter"] = model.adapter;
  if (!model.task.empty()) json["task"] = model.task;
  return json;
}

void add_temperature(const Temperature& temperature, const ModelInfo& model, Json& json) {
  json["temperature"] = temperature.to_string();
  json["temperature_canonical"] = temperature.canonical();
  // One number says it all only for a constant.
  const bool constant = !temperature.depends_on_length() && temperature.canonical() == temperature.to_string();
  json["logit_scale"] = constant ? Json(temperature.logit_scale(0, 0, 1)) : Json();
  json["baked_temperature"] = model.baked_temperature.empty() ? Json() : Json(model.baked_temperature);
}

/// Models without a state have no entry, so that what was written about them before stays as it is.
void add_state(const StateControl& state, Json& json) {
  if (state.is_identity()) return;
  json["state"] = state.to_string();
  json["state_canonical"] = state.canonical();
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

/// The model, and what changes its hidden states but the texts' limits.
Json describe_reading(const SentenceEncoder& encoder, const EncodeOptions& options) {
  const ModelInfo& model = encoder.info();
  Json json;
  json["treble"] = version();
  json["numerics"] = numerics_version();
  json["model"] = describe_model(encoder);
  add_temperature(options.temperature, model, json);
  json["temper_position_bias"] = options.temper_position_bias;
  add_state(options.state, json);
  json["tempered_layers"] = model.tempered_layers;
  return json;
}

void add_computation(const ModelInfo& model, Json& json) {
  json["dtype"] = "float32";
  json["compute_dtype"] = to_string(model.compute_dtype);
  json["dtype_reason"] = model.dtype_reason;
  json["cpu_isa"] = model.cpu_isa;
}

void add_limits(const EncodeOptions& options, const ModelInfo& model, Json& json) {
  json["max_length"] = options.max_length.value_or(model.max_length);
  json["position_extension"] = to_string(model.extension);
  json["truncation"] = to_string(options.truncation.value_or(model.truncation));
  add_prompt(options, model, json);
  json["special_tokens_as_text"] = model.special_tokens_as_text;
}

}  // namespace

std::string provenance_json(const SentenceEncoder& encoder, const EncodeOptions& options) {
  const std::int64_t dim = encoder.output_dim(options);
  const ModelInfo& model = encoder.info();
  Json json = describe_reading(encoder, options);
  json["pooling"] = to_string(model.pooling);
  json["normalized"] = options.normalize.value_or(model.normalizes);
  json["similarity"] = to_string(model.similarity);
  add_computation(model, json);
  json["dim"] = dim;
  json["dimensions"] = options.dimensions ? Json(*options.dimensions) : Json();
  add_limits(options, model, json);
  return internal::json_text(json);
}

std::string provenance_json(const SentenceEncoder& encoder, OutputKind kind, const OutputOptions& options) {
  validate_outputs(encoder, {&kind, 1}, options);
  const EncodeOptions encode = internal::reading_options(encoder, options);
  if (kind == OutputKind::dense) return provenance_json(encoder, encode);
  const ModelInfo& model = encoder.info();
  Json json = describe_reading(encoder, encode);
  json["output"] = to_string(kind);
  json["modules"] = model.modules;
  const auto role = internal::role_that_matters(encoder, options);
  json["role"] = role ? Json(to_string(*role)) : Json();
  add_computation(model, json);
  if (kind == OutputKind::sparse) {
    const auto count = internal::max_active_dims(encoder, options);
    json["similarity"] = "dot";
    json["dim"] = model.vocab_size;
    json["max_active_dims"] = count ? Json(*count) : Json();
  }
  if (kind == OutputKind::multi_vector) {
    json["similarity"] = model.mean_max_sim ? "meanmaxsim" : "maxsim";
    json["dim"] = model.token_dim;
  }
  add_limits(encode, model, json);
  return internal::json_text(json);
}

std::string vector_identity_json(std::string_view provenance) {
  const Json json = internal::try_parse_ordered(provenance);
  if (!json.is_object()) internal::fail(ErrorCode::invalid_argument, "the provenance is not a JSON object");
  return internal::json_text(internal::identity_of(json));
}

}  // namespace treble
