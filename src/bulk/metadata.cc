#include "bulk/metadata.h"

#include <array>
#include <chrono>
#include <ctime>
#include <string_view>
#include <utility>
#include <vector>

#include "base/fail_about.h"
#include "base/json_text.h"
#include "engine/vector_identity.h"

namespace treble::internal {

namespace {

constexpr std::array<const char*, 8> kStateKeys = {
    "count", "tokens", "tokens_used", "truncated_texts", "tokens_lost", "replaced_characters", "complete", "resume"};
constexpr std::string_view kFile = "/model/files/";

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
  if (!fits) {
    fail_file(origin, ErrorCode::invalid_file, "\"{}\" is missing or damaged, so nothing can be resumed", key);
  }
  return found->template get<T>();
}

Json identity_of_run(Json metadata) { return identity_of(without_state(std::move(metadata))).flatten(); }

std::string shown(const Json& flat, const std::string& field) {
  const auto found = flat.find(field);
  return found == flat.end() ? "missing" : json_text(*found);
}

}  // namespace

std::string now_utc() {
  const std::time_t now = std::chrono::system_clock::to_time_t(std::chrono::system_clock::now());
  std::tm parts = {};
  ::gmtime_r(&now, &parts);
  std::array<char, 32> text = {};
  std::strftime(text.data(), text.size(), "%Y-%m-%dT%H:%M:%SZ", &parts);
  return text.data();
}

Json with_state(const Json& metadata, const BulkState& state, std::uint64_t bytes) {
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

void check_same_run(const Json& saved, const Json& now, const std::string& path) {
  const Json before = identity_of_run(saved);
  const Json current = identity_of_run(now);
  // Fields of this run first: they are in the order of what matters most.
  std::vector<std::string> fields;
  for (const Json* json : {&current, &before}) {
    for (const auto& [field, value] : json->items()) fields.push_back(field);
  }
  for (const std::string& field : fields) {
    const std::string old_value = shown(before, field);
    const std::string new_value = shown(current, field);
    if (old_value == new_value) continue;
    if (field.starts_with(kFile)) {
      fail_about(
          path, ErrorCode::invalid_argument,
          "cannot resume {}: {} of the model is not what it was (SHA-256 {} then, {} now); use the same model, or "
          "start again with VectorFileMode::replace",
          path, Json::json_pointer(field).back(), old_value, new_value);
    }
    fail_about(
        path, ErrorCode::invalid_argument,
        "cannot resume {}: it was made with {} = {}, and this run has {}; use the same options, or start again with "
        "VectorFileMode::replace",
        path, field.substr(1), old_value, new_value);
  }
}

}  // namespace treble::internal
