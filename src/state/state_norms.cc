#include <cmath>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "base/fail_about.h"
#include "base/json_file.h"
#include "base/json_text.h"
#include "state/norms_check.h"
#include "treble/state_control.h"
#include "treble/whole_file.h"

namespace treble {

using namespace internal;

namespace {

constexpr const char* kSchema = "treble.state_norms/1";

std::vector<std::vector<double>> read_table(const JsonObject& json) {
  const auto found = json.value().find("max_norms");
  if (found == json.value().end()) fail_at(json, ErrorCode::invalid_file, "\"max_norms\" is missing");
  try {
    return found->get<std::vector<std::vector<double>>>();
  } catch (const nlohmann::json::exception&) {
    fail_at(json, ErrorCode::invalid_file,
            "\"max_norms\" must be a list of layers, each a list of numbers, one a head");
  }
}

}  // namespace

void internal::check_norms(const StateNorms& norms, const std::string& origin, ErrorCode code) {
  const auto& layers = norms.max_norms;
  if (layers.empty() || layers.front().empty()) fail(code, "{}: \"max_norms\" is empty", origin);
  for (std::size_t layer = 0; layer < layers.size(); ++layer) {
    if (layers[layer].size() != layers.front().size()) {
      fail(code, "{}: \"max_norms\"[{}] has {} heads, layer 0 has {}", origin, layer, layers[layer].size(),
           layers.front().size());
    }
    for (std::size_t head = 0; head < layers[layer].size(); ++head) {
      const double norm = layers[layer][head];
      if (std::isfinite(norm) && norm > 0) continue;
      fail(code, "{}: \"max_norms\"[{}][{}] is {}, it must be a number above 0", origin, layer, head, norm);
    }
  }
}

StateNorms read_state_norms(const std::filesystem::path& path) {
  const auto json = JsonObject::from_file(path);
  const std::string schema = json.required_string("schema");
  if (schema != kSchema) {
    fail_at(json, ErrorCode::invalid_file, R"("schema" is "{:.100}"; this version reads "{}")", schema, kSchema);
  }
  StateNorms norms;
  norms.max_norms = read_table(json);
  norms.model = json.string("model").value_or("");
  norms.weights_sha256 = json.string("weights_sha256").value_or("");
  norms.tokens = json.integer("tokens").value_or(0);
  norms.texts = json.integer("texts").value_or(0);
  norms.treble_version = json.string("treble_version").value_or("");
  about_file(path, [&] { check_norms(norms, json.origin(), ErrorCode::invalid_file); });
  return norms;
}

std::string to_json(const StateNorms& norms) {
  check_norms(norms, "state norms", ErrorCode::invalid_argument);
  const nlohmann::ordered_json json = {
      {"schema", kSchema},           {"model", norms.model}, {"weights_sha256", norms.weights_sha256},
      {"tokens", norms.tokens},      {"texts", norms.texts}, {"treble_version", norms.treble_version},
      {"max_norms", norms.max_norms}};
  return json_text(json, 1) + '\n';
}

void write_state_norms(const std::filesystem::path& path, const StateNorms& norms) {
  about_file(path, [&] { check_norms(norms, path.string(), ErrorCode::invalid_argument); });
  write_whole_file(path, to_json(norms));
}

}  // namespace treble
