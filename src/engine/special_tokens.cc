#include "engine/special_tokens.h"

#include <string>

#include "base/file_presence.h"
#include "base/json_file.h"

namespace treble::internal {

namespace {

/// A string, or an object with one.
std::optional<std::string> name_under(const JsonObject& json, const char* key) {
  const nlohmann::json* token = json.find(key);
  if (token == nullptr) return std::nullopt;
  if (token->is_string()) return token->get<std::string>();
  if (!token->is_object() || !token->contains("content") || !token->at("content").is_string()) return std::nullopt;
  return token->at("content").get<std::string>();
}

}  // namespace

std::optional<std::int32_t> special_token_id(const std::filesystem::path& folder, const Tokenizer& tokenizer,
                                             const char* key) {
  for (const char* file : {"tokenizer_config.json", "special_tokens_map.json"}) {
    if (!is_there(folder / file)) continue;
    if (const auto name = name_under(JsonObject::from_file(folder / file), key)) return tokenizer.token_to_id(*name);
  }
  return std::nullopt;
}

}  // namespace treble::internal
