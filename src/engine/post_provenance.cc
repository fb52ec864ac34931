#include <nlohmann/json.hpp>

#include "base/fail_about.h"
#include "base/json_text.h"
#include "treble/provenance.h"

namespace treble::internal {

namespace fs = std::filesystem;

namespace {

using Json = nlohmann::ordered_json;

constexpr std::size_t kHashDigits = 12;

void check_same(const fs::path& path, const char* what, const std::string& fitted, const std::string& given) {
  if (fitted == given) return;
  fail_file(path, ErrorCode::invalid_argument,
            "fitted on vectors of {} {}, these are of {} {}; fit anew with `treble fit`", what,
            fitted.empty() ? "unknown" : fitted, what, given);
}

/// The weights are one thing; the tokenizer, the configs and what follows the encoder make vectors too.
void check_same_files(const fs::path& path, const PostProvenance& fitted, const PostProvenance& given) {
  const Json::json_pointer files("/model/files");
  const Json before = try_parse_ordered(fitted.vectors);
  if (!before.is_object() || !before.contains(files)) {
    fail_file(path, ErrorCode::invalid_file,
              "it does not say which model files it was fitted with; fit anew with `treble fit`");
  }
  const Json& then = before.at(files);
  const Json now = parse_ordered(given.vectors).at(files);
  for (const Json* json : {&now, &then}) {
    for (const auto& [name, unused] : json->items()) {
      if (then.value(name, Json()) == now.value(name, Json())) continue;
      fail_file(path, ErrorCode::invalid_argument,
                "fitted on vectors of the model when its {} was another; fit anew with `treble fit`", name);
    }
  }
}

void check_dim(const fs::path& path, std::int64_t fitted, std::int64_t given) {
  if (fitted == given) return;
  fail_file(
      path, ErrorCode::invalid_argument,
      "fitted on vectors of {} dimensions, these have {}; give the EncodeOptions::dimensions that it was fitted with",
      fitted, given);
}

void check_weights(const fs::path& path, const PostProvenance& fitted, const PostProvenance& given) {
  if (fitted.weights_sha256 == given.weights_sha256) return;
  fail_file(path, ErrorCode::invalid_argument,
            "fitted on vectors of the model {} (weights {}…), this is {} (weights {}…); fit anew with `treble fit`",
            fitted.model, fitted.weights_sha256.substr(0, kHashDigits), given.model,
            given.weights_sha256.substr(0, kHashDigits));
}

/// How the states of the model that gave the vectors were controlled.
std::string state_of(const PostProvenance& vectors) {
  const auto json = try_parse_ordered(vectors.vectors.empty() ? "{}" : vectors.vectors);
  return json.is_object() ? json.value("state_canonical", "none") : "none";
}

/// The parts of a provenance that check_post and check_ranges compare.
PostProvenance provenance_of(const Json& vectors) {
  const Json model = vectors.value("model", Json::object());
  return {.model = model.value("name", ""),
          .weights_sha256 = model.value("weights_sha256", ""),
          .temperature = vectors.value("temperature", ""),
          .pooling = vectors.value("pooling", ""),
          .texts = 0,
          .treble_version = {},
          .temperature_canonical = vectors.value("temperature_canonical", ""),
          .vectors = json_text(vectors)};
}

/// The fitted step after the model, or how texts were read in pieces: "none", "whitening:5 (1f0c…)".
std::string step_of(const Json& vectors) {
  const auto post = vectors.find("post");
  if (post == vectors.end() || !post->is_object()) return "none";
  const std::string sha256 = post->value("sha256", "");
  const std::string name = post->value("transform", "");
  return sha256.empty() ? name : fmt::format("{} ({}…)", name, sha256.substr(0, kHashDigits));
}

void check_same_model(const fs::path& path, const PostProvenance& fitted, const PostProvenance& given) {
  check_weights(path, fitted, given);
  check_same_files(path, fitted, given);
  // A profile may have changed under its name, or have another name now.
  if (fitted.temperature_canonical != given.temperature_canonical) {
    check_same(path, "temperature", fitted.temperature, given.temperature);
    check_same(path, "temperature", fitted.temperature_canonical, given.temperature_canonical);
  }
  check_same(path, "state", state_of(fitted), state_of(given));
  check_same(path, "pooling", fitted.pooling, given.pooling);
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
  const PostProvenance& fitted = post.provenance();
  const PostProvenance given = post_provenance(encoder, options);
  check_same_model(path, fitted, given);
  check_dim(path, post.input_dim(), encoder.encode({}, options).dim);
}

void check_ranges(const VectorRanges& ranges, std::string_view vectors) {
  if (ranges.vectors.empty()) return;
  const auto fitted = try_parse_ordered(ranges.vectors);
  const auto given = parse_ordered(vectors);
  if (fitted.is_null()) return;
  if (!fitted.is_object()) {
    fail_file(ranges.file, ErrorCode::invalid_file, "what its ranges are of is not a JSON object");
  }
  check_same_model(ranges.file, provenance_of(fitted), provenance_of(given));
  check_dim(ranges.file, ranges.dim(), given.value("dim", std::int64_t{0}));
  const auto length = [](const auto& json) { return json.value("normalized", false) ? "1" : "any"; };
  check_same(ranges.file, "length", length(fitted), length(given));
  check_same(ranges.file, "the fitted step", step_of(fitted), step_of(given));
}

}  // namespace treble
