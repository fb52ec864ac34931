// JSON objects, one a line, and what labelled data keeps in them.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace treble::internal {

/// Throw Error{invalid_file}; `place` ("corpus.jsonl:17") begins the message.
nlohmann::json parse_object(const std::string& line, const std::string& place);
std::string text_field(const nlohmann::json& object, const char* key, const std::string& place);
std::vector<std::string> text_list(const nlohmann::json& object, const char* key, const std::string& place);

/// A text, or a number as it is written in JSON; "" for an empty `key`.
std::string group_of(const nlohmann::json& object, const std::string& key, const std::string& place);

/// "_id": a string, or a number, whose digits are kept as they are written, however many. `line` is what `object` was
/// parsed from.
std::string id_field(const nlohmann::json& object, const std::string& line, const std::string& place);

}  // namespace treble::internal
