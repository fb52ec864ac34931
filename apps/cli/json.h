// JSON as the program writes it.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

namespace treble::cli {

using Json = nlohmann::ordered_json;

/// JSON text; -1 puts it on one line. Paths and prompts need not be UTF-8: what is not becomes U+FFFD.
inline std::string dump(const Json& json, int indent) {
  return json.dump(indent, ' ', false, Json::error_handler_t::replace);
}

}  // namespace treble::cli
