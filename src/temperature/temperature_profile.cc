#include "treble/temperature_profile.h"

#include <cmath>
#include <nlohmann/json.hpp>

#include "base/fail_about.h"
#include "base/json_file.h"
#include "base/json_text.h"
#include "temperature/profile_check.h"
#include "treble/whole_file.h"

namespace treble {

using namespace internal;

namespace {

using Json = nlohmann::ordered_json;

constexpr const char* kSchema = "treble.temperature_profile/1";
constexpr double kMinScale = 1e-3;
constexpr double kMaxScale = 1e3;

const nlohmann::json& required(const JsonObject& json, const char* key) {
  const auto found = json.value().find(key);
  if (found == json.value().end()) fail_at(json, ErrorCode::invalid_file, "\"{}\" is missing", key);
  return *found;
}

/// The JSON library converts what it can and says little of what it cannot.
template <typename T>
T convert(const JsonObject& json, const char* key, const char* wanted) {
  try {
    return required(json, key).get<T>();
  } catch (const nlohmann::json::exception&) {
    fail_at(json, ErrorCode::invalid_file, "\"{}\" must be {}", key, wanted);
  }
}

std::optional<CalibrationTarget> read_target(const JsonObject& json) {
  const std::string name = json.string("matched").value_or("");
  for (const auto target : {CalibrationTarget::filter_rate, CalibrationTarget::entropy}) {
    if (name == to_string(target)) return target;
  }
  return std::nullopt;
}

void check_lengths(const TemperatureProfile& profile, const std::string& origin, ErrorCode code) {
  if (profile.lengths.empty()) fail(code, "{}: \"lengths\" is empty", origin);
  std::int64_t before = 0;
  for (std::size_t i = 0; i < profile.lengths.size(); ++i) {
    if (profile.lengths[i] <= before) {
      fail(code, "{}: \"lengths\" must rise from at least 1; entry {} is {} after {}", origin, i, profile.lengths[i],
           before);
    }
    before = profile.lengths[i];
  }
}

void check_column(const std::vector<double>& column, std::size_t layer, std::size_t head, const std::string& origin,
                  ErrorCode code) {
  for (std::size_t i = 0; i < column.size(); ++i) {
    if (column[i] >= kMinScale && column[i] <= kMaxScale) continue;
    fail(code, "{}: \"logit_scales\"[{}][{}][{}] is {}, it must be between {} and {}", origin, layer, head, i,
         column[i], kMinScale, kMaxScale);
  }
}

}  // namespace

void internal::check_profile(const TemperatureProfile& profile, const std::string& origin, ErrorCode code) {
  check_lengths(profile, origin, code);
  if (profile.num_layers() == 0 || profile.num_heads() == 0) fail(code, "{}: \"logit_scales\" is empty", origin);
  for (std::size_t layer = 0; layer < profile.logit_scales.size(); ++layer) {
    const auto& heads = profile.logit_scales[layer];
    if (static_cast<std::int64_t>(heads.size()) != profile.num_heads()) {
      fail(code, "{}: \"logit_scales\"[{}] has {} heads, layer 0 has {}", origin, layer, heads.size(),
           profile.num_heads());
    }
    for (std::size_t head = 0; head < heads.size(); ++head) {
      if (heads[head].size() != profile.lengths.size()) {
        fail(code, "{}: \"logit_scales\"[{}][{}] has {} values for {} lengths", origin, layer, head, heads[head].size(),
             profile.lengths.size());
      }
      check_column(heads[head], layer, head, origin, code);
    }
  }
}

std::string to_string(CalibrationTarget target) {
  return target == CalibrationTarget::entropy ? "entropy" : "filter_rate";
}

TemperatureProfile read_profile(const std::filesystem::path& path) {
  const auto json = JsonObject::from_file(path);
  const std::string schema = json.required_string("schema");
  if (schema != kSchema) {
    fail_at(json, ErrorCode::invalid_file, R"("schema" is "{:.100}"; this version reads "{}")", schema, kSchema);
  }
  TemperatureProfile profile;
  // As numbers first: the library would round 1.5 to an integer without a word.
  for (const double length : convert<std::vector<double>>(json, "lengths", "a list of numbers")) {
    if (length != std::floor(length) || length < 1 || length > 1e9) {
      fail_at(json, ErrorCode::invalid_file, "\"lengths\" must be whole numbers from 1 to 1e9, found {}", length);
    }
    profile.lengths.push_back(static_cast<std::int64_t>(length));
  }
  profile.logit_scales = convert<std::vector<std::vector<std::vector<double>>>>(
      json, "logit_scales", "a list of layers, each a list of heads, each a list of numbers, one a length");
  profile.model = json.string("model").value_or("");
  profile.weights_sha256 = json.string("weights_sha256").value_or("");
  profile.matched = read_target(json);
  profile.reference_length = json.integer("reference_length").value_or(0);
  profile.texts = json.integer("texts").value_or(0);
  profile.seed = static_cast<std::uint64_t>(json.integer("seed").value_or(0));
  profile.treble_version = json.string("treble_version").value_or("");
  if (json.contains("provenance")) profile.provenance = json_text(required(json, "provenance"));
  about_file(path, [&] { check_profile(profile, json.origin(), ErrorCode::invalid_file); });
  return profile;
}

std::string to_json(const TemperatureProfile& profile) {
  check_profile(profile, "profile", ErrorCode::invalid_argument);
  const Json json = {{"schema", kSchema},
                     {"model", profile.model},
                     {"weights_sha256", profile.weights_sha256},
                     {"matched", profile.matched ? to_string(*profile.matched) : ""},
                     {"reference_length", profile.reference_length},
                     {"texts", profile.texts},
                     {"seed", profile.seed},
                     {"treble_version", profile.treble_version},
                     {"provenance", try_parse_ordered(profile.provenance.empty() ? "{}" : profile.provenance)},
                     {"lengths", profile.lengths},
                     {"logit_scales", profile.logit_scales}};
  return json_text(json, 1) + '\n';
}

void write_profile(const std::filesystem::path& path, const TemperatureProfile& profile) {
  about_file(path, [&] { check_profile(profile, path.string(), ErrorCode::invalid_argument); });
  write_whole_file(path, to_json(profile));
}

}  // namespace treble
