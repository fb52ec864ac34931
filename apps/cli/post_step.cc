#include "post_step.h"

#include <utility>

#include "fail.h"
#include "treble/provenance.h"

namespace treble::cli {

namespace {

constexpr std::size_t kHashDigits = 12;

void check_same(const std::string& path, const char* what, const std::string& fitted, const std::string& given) {
  if (fitted == given) return;
  fail(ErrorCode::invalid_argument, "{}: fitted on vectors of {} {}, these are of {} {}; fit it anew with `treble fit`",
       path, what, fitted.empty() ? "unknown" : fitted, what, given);
}

}  // namespace

PostProvenance provenance_of(const SentenceEncoder& encoder, const EncodeOptions& options) {
  const ModelInfo& model = encoder.info();
  return {.model = model.name,
          .weights_sha256 = encoder.weights_sha256(),
          .temperature = options.temperature.to_string(),
          .pooling = to_string(model.pooling),
          .texts = 0,
          .treble_version = {},
          .temperature_canonical = options.temperature.canonical(),
          .vectors = provenance_json(encoder, options)};
}

PostStep::PostStep(std::string path, const SentenceEncoder& encoder, const EncodeOptions& options)
    : path_(std::move(path)),
      transform_(PostTransform::load(path_)),
      normalize_(options.normalize.value_or(encoder.info().normalizes)) {
  const PostProvenance& fitted = transform_.provenance();
  const PostProvenance given = provenance_of(encoder, options);
  if (fitted.weights_sha256 != given.weights_sha256) {
    fail(ErrorCode::invalid_argument,
         "{}: fitted on vectors of the model {} (weights {}…), this is {} (weights {}…); fit it anew with `treble fit`",
         path_, fitted.model, fitted.weights_sha256.substr(0, kHashDigits), given.model,
         given.weights_sha256.substr(0, kHashDigits));
  }
  check_same_model(fitted, given);
  // A profile may have changed under its name, or have another name now.
  if (fitted.temperature_canonical != given.temperature_canonical) {
    check_same(path_, "temperature", fitted.temperature, given.temperature);
    check_same(path_, "temperature", fitted.temperature_canonical, given.temperature_canonical);
  }
  check_same(path_, "pooling", fitted.pooling, given.pooling);
  const std::int64_t dim = encoder.output_dim(options);
  if (transform_.input_dim() != dim) {
    fail(ErrorCode::invalid_argument,
         "{}: fitted on vectors of {} dimensions, these have {}; give the --dimensions that it was fitted with", path_,
         transform_.input_dim(), dim);
  }
}

/// The weights are one thing; the tokenizer, the configs and what follows the encoder make vectors too.
void PostStep::check_same_model(const PostProvenance& fitted, const PostProvenance& given) const {
  const Json::json_pointer files("/model/files");
  const Json before = Json::parse(fitted.vectors, nullptr, false);
  if (!before.is_object() || !before.contains(files)) {
    fail(ErrorCode::invalid_file,
         "{}: it does not say which model files it was fitted with; fit it anew with `treble fit`", path_);
  }
  const Json& then = before.at(files);
  const Json now = Json::parse(given.vectors).at(files);
  for (const Json* json : {&now, &then}) {
    for (const auto& [name, unused] : json->items()) {
      if (then.value(name, Json()) == now.value(name, Json())) continue;
      fail(ErrorCode::invalid_argument,
           "{}: fitted on vectors of the model when its {} was another; fit it anew with `treble fit`", path_, name);
    }
  }
}

void PostStep::apply(Embeddings& embeddings) const {
  embeddings.values = transform_.apply(embeddings.values, normalize_);
  embeddings.dim = transform_.output_dim();
}

Json PostStep::describe() const {
  const PostProvenance& fitted = transform_.provenance();
  return {{"transform", transform_.spec().to_string()},
          {"file", path_},
          {"fitted_on_texts", fitted.texts},
          {"input_dim", transform_.input_dim()},
          {"sha256", transform_.sha256()}};
}

}  // namespace treble::cli
