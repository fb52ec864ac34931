#include "output/metadata.h"

#include <array>
#include <chrono>
#include <ctime>
#include <utility>

#include "fail.h"
#include "treble/provenance.h"

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

Json describe_vectors(const SentenceEncoder& encoder, const EncodeOptions& options) {
  return Json::parse(provenance_json(encoder, options));
}

Json describe_run(const SentenceEncoder& encoder, const EncodeOptions& options, Json inputs) {
  Json json = describe_vectors(encoder, options);
  json["created"] = now_utc();
  json["inputs"] = std::move(inputs);
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
