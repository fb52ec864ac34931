#include "base/json_file.h"

#include <utility>

#include "base/fail_about.h"
#include "base/mapped_file.h"

namespace treble::internal {

namespace {

using Json = nlohmann::json;

constexpr std::size_t kMaxBytes = std::size_t{64} << 20;
constexpr int kMaxDepth = 64;

const char* type_name(const Json& value) { return value.type_name(); }

Json parse_strictly(std::string_view text, std::string_view origin) {
  bool too_deep = false;
  const auto guard = [&](int depth, Json::parse_event_t event, Json&) {
    const bool opens = event == Json::parse_event_t::object_start || event == Json::parse_event_t::array_start;
    too_deep |= opens && depth >= kMaxDepth;
    return !too_deep;
  };
  try {
    Json value = Json::parse(text.begin(), text.end(), guard);
    if (too_deep) fail(ErrorCode::invalid_file, "{}: JSON nests deeper than {} levels", origin, kMaxDepth);
    return value;
  } catch (const Json::exception& error) {
    // The message quotes the text around the fault, which may be long.
    fail(ErrorCode::invalid_file, "{}: not valid JSON: {:.200}", origin, error.what());
  }
}

/// Python writes Infinity, -Infinity and NaN as they stand, which is no JSON: here they become strings, so that whoever
/// reads the key decides. Nothing where there are none outside of strings.
std::optional<std::string> quote_bare_numbers(std::string_view text) {
  std::string quoted;
  bool found = false;
  bool in_string = false;
  for (std::size_t at = 0; at < text.size();) {
    if (in_string && text[at] == '\\' && at + 1 < text.size()) {
      quoted += text.substr(at, 2);
      at += 2;
      continue;
    }
    if (text[at] == '"') in_string = !in_string;
    std::string_view bare;
    for (const std::string_view word : {"-Infinity", "Infinity", "NaN"}) {
      if (!in_string && text.substr(at).starts_with(word)) bare = word;
      if (!bare.empty()) break;
    }
    found |= !bare.empty();
    quoted += bare.empty() ? std::string(1, text[at]) : fmt::format("\"{}\"", bare);
    at += bare.empty() ? 1 : bare.size();
  }
  return found ? std::optional(quoted) : std::nullopt;
}

}  // namespace

Json parse_json_text(std::string_view text, std::string_view origin) {
  if (text.size() > kMaxBytes) {
    fail(ErrorCode::invalid_file, "{}: {} bytes of JSON, the limit for a config is {}", origin, text.size(), kMaxBytes);
  }
  // The parser takes a NUL for the end of the text and would not see what follows.
  if (text.find('\0') != std::string_view::npos)
    fail(ErrorCode::invalid_file, "{}: not valid JSON: it holds a NUL", origin);
  try {
    return parse_strictly(text, origin);
  } catch (const Error&) {
    const auto quoted = quote_bare_numbers(text);
    if (!quoted) throw;
    return parse_strictly(*quoted, origin);
  }
}

Json parse_json_file(const std::filesystem::path& path) {
  const MappedFile file(path);
  const auto bytes = file.bytes();
  return about_file(path, [&] {
    return parse_json_text({reinterpret_cast<const char*>(bytes.data()), bytes.size()}, path.string());
  });
}

JsonObject JsonObject::from_text(std::string_view text, std::string origin) {
  Json value = parse_json_text(text, origin);
  return from_value(std::move(value), std::move(origin));
}

JsonObject JsonObject::from_value(Json value, std::string origin, std::filesystem::path file) {
  JsonObject result(std::move(value), std::move(origin), std::move(file));
  if (!result.value_.is_object()) {
    fail_at(result, ErrorCode::invalid_file, "expected a JSON object, found {}", type_name(result.value_));
  }
  return result;
}

JsonObject JsonObject::from_file(const std::filesystem::path& path) {
  return from_value(parse_json_file(path), path.string(), path);
}

const Json* JsonObject::find(std::string_view key) const {
  read_.emplace(key);
  const auto found = value_.find(key);
  return found == value_.end() || found->is_null() ? nullptr : &*found;
}

bool JsonObject::contains(std::string_view key) const {
  read_.emplace(key);
  return value_.contains(key);
}

std::vector<std::string> JsonObject::unread_keys() const {
  std::vector<std::string> keys;
  for (const auto& [key, value] : value_.items()) {
    if (!read_.contains(key)) keys.push_back(key);
  }
  return keys;
}

void JsonObject::fail_type(std::string_view key, const char* wanted, const Json& found) const {
  fail_at(*this, ErrorCode::invalid_file, "\"{}\" must be {}, found {}", key, wanted, type_name(found));
}

void JsonObject::fail_missing(std::string_view key) const {
  fail_at(*this, ErrorCode::invalid_file, "\"{}\" is missing", key);
}

std::optional<std::string> JsonObject::string(std::string_view key) const {
  const Json* value = find(key);
  if (value == nullptr) return std::nullopt;
  if (!value->is_string()) fail_type(key, "a string", *value);
  return value->get<std::string>();
}

std::optional<std::int64_t> JsonObject::integer(std::string_view key) const {
  const Json* value = find(key);
  if (value == nullptr) return std::nullopt;
  if (!value->is_number_integer()) fail_type(key, "an integer", *value);
  if (value->is_number_unsigned() && value->get<std::uint64_t>() > std::uint64_t{INT64_MAX}) {
    fail_at(*this, ErrorCode::invalid_file, "\"{}\" is {}, more than 64 bits with sign can hold", key, value->dump());
  }
  return value->get<std::int64_t>();
}

std::optional<double> JsonObject::number(std::string_view key) const {
  const Json* value = find(key);
  if (value == nullptr) return std::nullopt;
  if (!value->is_number()) fail_type(key, "a number", *value);
  return value->get<double>();
}

std::optional<bool> JsonObject::boolean(std::string_view key) const {
  const Json* value = find(key);
  if (value == nullptr) return std::nullopt;
  if (!value->is_boolean()) fail_type(key, "true or false", *value);
  return value->get<bool>();
}

std::string JsonObject::required_string(std::string_view key) const {
  if (auto value = string(key)) return *std::move(value);
  fail_missing(key);
}

std::int64_t JsonObject::required_integer(std::string_view key) const {
  if (const auto value = integer(key)) return *value;
  fail_missing(key);
}

}  // namespace treble::internal
