// JSON as the program writes it.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

namespace treble::cli {

using Json = nlohmann::ordered_json;

/// JSON text; -1 puts it on one line. Paths and prompts need not be UTF-8: what is not becomes U+FFFD.
std::string dump(const Json& json, int indent);

/// A value with is_discarded() when `text` is not JSON.
Json parse_json_text(std::string_view text);

}  // namespace treble::cli
