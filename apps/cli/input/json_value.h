// JSON as it is written: numbers keep their digits, objects the order of their members.
#pragma once

#include <cstddef>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace treble::cli {

struct JsonValue {
  enum class Kind { null, boolean, number, string, list, object };

  Kind kind = Kind::null;
  std::string text = {};  ///< of a string; of a number, as it is written; "true" or "false"
  /// Of an object. The elements of lists are checked and not kept.
  std::vector<std::pair<std::string, JsonValue>> members = {};

  /// The member `name`, of several the last; null when there is none.
  const JsonValue* member(std::string_view name) const;
};

/// "a string", "a list", …
const char* describe(JsonValue::Kind kind);

/// Why a piece of JSON cannot be read: what() is the reason.
class JsonFault : public std::runtime_error {
 public:
  JsonFault(std::size_t offset, const std::string& reason) : std::runtime_error(reason), offset_(offset) {}
  /// Of the byte at which it was noticed.
  std::size_t offset() const noexcept { return offset_; }

 private:
  std::size_t offset_;
};

/// Parses one value. Throws JsonFault when it is not JSON, has NaN or Infinity, or nests deeper than 256 levels.
JsonValue parse_json(std::string_view json);

/// A string as JSON, with its quotes; bytes that are not UTF-8 become U+FFFD.
std::string json_string(std::string_view text);

}  // namespace treble::cli
