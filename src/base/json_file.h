// Small JSON files (configs) with errors that name the file and the key.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/fail_about.h"

namespace treble::internal {

/// A JSON object with the name of the file it came from. It notes which keys were asked for, so one object is read by
/// one thread at a time.
class JsonObject {
 public:
  /// Reads a file. Throws Error{not_found, io, invalid_file}; invalid_file when it is not one JSON object, is larger
  /// than 64 MiB or nests deeper than 64 levels.
  static JsonObject from_file(const std::filesystem::path& path);

  /// Parses `text`; `origin` stands for the file in messages. Same errors.
  static JsonObject from_text(std::string_view text, std::string origin);

  /// Of a value that was parsed already, such as an object within another one. Throws Error{invalid_file} unless it is
  /// an object.
  static JsonObject from_value(nlohmann::json value, std::string origin, std::filesystem::path file = {});

  /// The value of `key`, or nothing when it is absent or null. Throws Error{invalid_file} naming the file, the key, the
  /// type wanted and the type found.
  std::optional<std::string> string(std::string_view key) const;
  std::optional<std::int64_t> integer(std::string_view key) const;
  std::optional<double> number(std::string_view key) const;
  std::optional<bool> boolean(std::string_view key) const;

  /// As above, but an absent key is an error too.
  std::string required_string(std::string_view key) const;
  std::int64_t required_integer(std::string_view key) const;

  /// A value of any type; nullptr when it is absent or null.
  const nlohmann::json* find(std::string_view key) const;
  /// Whether the key is there, be it with null.
  bool contains(std::string_view key) const;

  /// The keys that nothing above was asked for, in the order of the alphabet.
  std::vector<std::string> unread_keys() const;

  const nlohmann::json& value() const noexcept { return value_; }
  const std::string& origin() const noexcept { return origin_; }
  /// Empty where the text came from none.
  const std::filesystem::path& file() const noexcept { return file_; }

 private:
  JsonObject(nlohmann::json value, std::string origin, std::filesystem::path file)
      : value_(std::move(value)), origin_(std::move(origin)), file_(std::move(file)) {}
  [[noreturn]] void fail_type(std::string_view key, const char* wanted, const nlohmann::json& found) const;
  [[noreturn]] void fail_missing(std::string_view key) const;

  nlohmann::json value_;
  std::string origin_;
  std::filesystem::path file_;
  mutable std::set<std::string, std::less<>> read_;
};

/// About something in the object: "config.json: \"hidden_size\" is 0".
template <typename... Args>
[[noreturn]] void fail_at(const JsonObject& json, ErrorCode code, fmt::format_string<Args...> format, Args&&... args) {
  throw Error(code, json.origin() + ": " + fmt::format(format, std::forward<Args>(args)...),
              {.text_index = {}, .file = json.file()});
}

/// Parses any JSON value with the same limits and errors (modules.json is an array).
nlohmann::json parse_json_file(const std::filesystem::path& path);
nlohmann::json parse_json_text(std::string_view text, std::string_view origin);

}  // namespace treble::internal
