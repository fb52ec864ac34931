#include "bake/provenance.h"

#include <nlohmann/json.hpp>
#include <optional>

#include "bake/file_ops.h"
#include "base/fail_about.h"
#include "base/file_presence.h"
#include "base/json_file.h"

namespace treble {

using namespace internal;

namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

/// One number, one a layer, or a list of heads for each layer.
Json scales_json(const LogitScales& scales) {
  if (scales.equal_over_layers() && scales.equal_over_heads()) return scales.of_layer(0).front();
  Json layers = Json::array();
  for (std::int64_t layer = 0; layer < scales.num_layers(); ++layer) {
    if (scales.equal_over_heads()) {
      layers.push_back(scales.of_layer(layer).front());
    } else {
      layers.push_back(scales.of_layer(layer));
    }
  }
  return layers;
}

/// The source's treble.json; an empty object when it has none.
Json existing(const fs::path& folder) {
  const fs::path path = folder / kProvenanceFile;
  return is_there(path) ? read_ordered_json(path) : Json::object();
}

const nlohmann::json& member(const nlohmann::json& json, const char* key, const std::string& origin) {
  const auto found = json.find(key);
  if (found == json.end()) fail(ErrorCode::invalid_file, "{}: \"{}\" is missing", origin, key);
  return *found;
}

BakedTemperature from_json(const nlohmann::json& json, const std::string& origin) {
  try {
    BakedTemperature baked;
    baked.temperature = member(json, "temperature", origin).get<std::string>();
    baked.temper_position_bias = member(json, "temper_position_bias", origin).get<bool>();
    const auto& source = member(json, "source", origin);
    baked.source_name = member(source, "name", origin).get<std::string>();
    baked.source_weights_sha256 = member(source, "weights_sha256", origin).get<std::string>();
    baked.treble_version = member(json, "treble_version", origin).get<std::string>();
    baked.exact = member(json, "exact", origin).get<bool>();
    baked.max_rounding_error = member(json, "greatest_rounding", origin).get<double>();
    if (const auto earlier = json.find("earlier"); earlier != json.end()) {
      for (const auto& one : *earlier) baked.earlier.push_back(from_json(one, origin));
    }
    return baked;
  } catch (const nlohmann::json::exception& error) {
    fail(ErrorCode::invalid_file, "{}: \"baked\" is damaged: {}", origin, error.what());
  }
}

std::string describe_one(const BakedTemperature& baked) {
  return baked.temperature + (baked.temper_position_bias ? "" : ", position bias untouched");
}

/// What was merged, and into what.
Json merged_json(const Provenance& provenance) {
  const BakedTemperature& baked = provenance.baked;
  return {{"adapter", provenance.adapter.string()},
          {"identity", provenance.adapter_identity},
          {"source", {{"name", baked.source_name}, {"weights_sha256", baked.source_weights_sha256}}},
          {"weights_sha256", provenance.weights_sha256},
          {"treble_version", baked.treble_version},
          {"dtype", provenance.dtype},
          {"exact", baked.exact},
          {"greatest_rounding", baked.max_rounding_error},
          {"tensors_changed", provenance.report.changed}};
}

/// The temperature, with those that the source had already as `earlier`.
void add_baked(const Provenance& provenance, Json& json) {
  Json earlier = Json::array();
  if (json.contains("baked")) {
    Json last = json["baked"];
    if (last.contains("earlier")) earlier = last["earlier"];
    last.erase("earlier");
    earlier.push_back(last);
  }
  const BakedTemperature& baked = provenance.baked;
  json["baked"] = {{"temperature", baked.temperature},
                   {"logit_scale", scales_json(*provenance.scales)},
                   {"temper_position_bias", baked.temper_position_bias},
                   {"source", {{"name", baked.source_name}, {"weights_sha256", baked.source_weights_sha256}}},
                   {"weights_sha256", provenance.weights_sha256},
                   {"treble_version", baked.treble_version},
                   {"dtype", provenance.dtype},
                   {"exact", baked.exact},
                   {"greatest_rounding", baked.max_rounding_error},
                   {"tensors_changed", provenance.report.changed},
                   {"left_out", provenance.report.left_out}};
  if (!earlier.empty()) json["baked"]["earlier"] = earlier;
}

}  // namespace

void internal::write_provenance(const fs::path& from, const fs::path& to, const Provenance& provenance) {
  Json json = existing(from);
  if (!provenance.adapter.empty()) json["merged_adapters"].push_back(merged_json(provenance));
  if (!provenance.scales->is_identity()) add_baked(provenance, json);
  write_json(to / kProvenanceFile, json);
}

std::optional<BakedTemperature> read_baked(const fs::path& folder) {
  const fs::path path = folder / kProvenanceFile;
  if (!is_there(path)) return std::nullopt;
  const JsonObject json = JsonObject::from_file(path);
  const auto baked = json.value().find("baked");
  if (baked == json.value().end()) return std::nullopt;
  return about_file(path, [&] { return from_json(*baked, json.origin()); });
}

std::string to_string(const BakedTemperature& baked) {
  std::string text;
  for (const auto& earlier : baked.earlier) text += describe_one(earlier) + ", then ";
  return text + describe_one(baked);
}

}  // namespace treble
