#include <nlohmann/json.hpp>

#include "base/fail.h"
#include "base/json_text.h"
#include "treble/provenance.h"

namespace treble::internal {

namespace {

using Json = nlohmann::ordered_json;

constexpr std::size_t kHashDigits = 12;

void check_same(const std::string& path, const char* what, const std::string& fitted, const std::string& given) {
  if (fitted == given) return;
  fail(ErrorCode::invalid_argument, "{}: fitted on vectors of {} {}, these are of {} {}; fit it anew with `treble fit`",
       path, what, fitted.empty() ? "unknown" : fitted, what, given);
}

/// The weights are one thing; the tokenizer, the configs and what follows the encoder make vectors too.
void check_same_files(const std::string& path, const PostProvenance& fitted, const PostProvenance& given) {
  const Json::json_pointer files("/model/files");
  const Json before = try_parse_ordered(fitted.vectors);
  if (!before.is_object() || !before.contains(files)) {
    fail(ErrorCode::invalid_file,
         "{}: it does not say which model files it was fitted with; fit it anew with `treble fit`", path);
  }
  const Json& then = before.at(files);
  const Json now = parse_ordered(given.vectors).at(files);
  for (const Json* json : {&now, &then}) {
    for (const auto& [name, unused] : json->items()) {
      if (then.value(name, Json()) == now.value(name, Json())) continue;
      fail(ErrorCode::invalid_argument,
           "{}: fitted on vectors of the model when its {} was another; fit it anew with `treble fit`", path, name);
    }
  }
}

void check_dim(const std::string& path, std::int64_t fitted, std::int64_t given) {
  if (fitted == given) return;
  fail(ErrorCode::invalid_argument,
       "{}: fitted on vectors of {} dimensions, these have {}; give the EncodeOptions::dimensions that it was fitted "
       "with",
       path, fitted, given);
}

void check_weights(const std::string& path, const PostProvenance& fitted, const PostProvenance& given) {
  if (fitted.weights_sha256 == given.weights_sha256) return;
  fail(ErrorCode::invalid_argument,
       "{}: fitted on vectors of the model {} (weights {}…), this is {} (weights {}…); fit it anew with `treble fit`",
       path, fitted.model, fitted.weights_sha256.substr(0, kHashDigits), given.model,
       given.weights_sha256.substr(0, kHashDigits));
}

}  // namespace

}  // namespace treble::internal

namespace treble {

using namespace internal;

PostProvenance post_provenance(const SentenceEncoder& encoder, const EncodeOptions& options) {
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

void check_post(const PostTransform& post, const std::filesystem::path& path, const SentenceEncoder& encoder,
                const EncodeOptions& options) {
  const std::string name = path.string();
  const PostProvenance& fitted = post.provenance();
  const PostProvenance given = post_provenance(encoder, options);
  check_weights(name, fitted, given);
  check_same_files(name, fitted, given);
  // A profile may have changed under its name, or have another name now.
  if (fitted.temperature_canonical != given.temperature_canonical) {
    check_same(name, "temperature", fitted.temperature, given.temperature);
    check_same(name, "temperature", fitted.temperature_canonical, given.temperature_canonical);
  }
  check_same(name, "pooling", fitted.pooling, given.pooling);
  check_dim(name, post.input_dim(), encoder.encode({}, options).dim);
}

}  // namespace treble
