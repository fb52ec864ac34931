// JSON text to and from values. The parser's and writer's templates are large: compiled here, once, rather than in
// every file that needs them.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

namespace treble::internal {

/// Keeps the order of keys. Throws nlohmann::json::parse_error.
nlohmann::ordered_json parse_ordered(std::string_view text);

/// A value with is_discarded() when `text` is not JSON.
nlohmann::ordered_json try_parse_ordered(std::string_view text);

/// The same of values whose keys are sorted.
nlohmann::json parse_json(std::string_view text);
nlohmann::json try_parse_json(std::string_view text);

/// JSON text; an indent of -1 puts it on one line. Paths and prompts need not be UTF-8: what is not becomes U+FFFD.
std::string json_text(const nlohmann::ordered_json& json, int indent = -1);
std::string json_text(const nlohmann::json& json, int indent = -1);

}  // namespace treble::internal
