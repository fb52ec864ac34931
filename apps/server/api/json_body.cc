#include "api/json_body.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>

#include "api/api_error.h"

namespace treble::server {

namespace {

/// Fields of the peers' APIs that have no meaning here and are close to one that has: never a misspelling.
constexpr std::string_view kForeign[] = {"user", "type", "inputs", "input", "text", "texts"};

[[noreturn]] void wrong_kind(const char* name, const char* wanted, const Json& value) {
  // A number is quoted, as it is the value that may be wrong, not the kind.
  throw ApiError(
      "invalid_argument",
      fmt::format("`{}` must be {}, not {:.40}", name, wanted, value.is_number() ? value.dump() : kind_of(value)),
      name);
}

/// Levenshtein's distance.
std::size_t edits(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), 0);
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::size_t diagonal = row[0]++;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t above = row[j];
      row[j] = std::min({above + 1, row[j - 1] + 1, diagonal + (a[i - 1] == b[j - 1] ? 0 : 1)});
      diagonal = above;
    }
  }
  return row.back();
}

void check_spelling(const std::string& name, const std::vector<std::string_view>& known) {
  if (std::ranges::find(kForeign, name) != std::end(kForeign)) return;
  for (const std::string_view field : known) {
    if (field.size() < 5 || edits(name, field) > 2) continue;
    throw ApiError("invalid_argument", fmt::format("there is no field `{:.50}`; did you mean `{}`?", name, field),
                   name);
  }
}

bool is_json(std::string_view content_type) {
  const std::string_view type = content_type.substr(0, content_type.find(';'));
  const std::string_view name = type.substr(0, type.find_last_not_of(" \t") + 1);
  return name.empty() || std::ranges::equal(name, std::string_view("application/json"),
                                            [](char a, char b) { return std::tolower(a) == b; });
}

}  // namespace

std::string kind_of(const Json& value) {
  switch (value.type()) {
    case Json::value_t::null: return "null";
    case Json::value_t::object: return "an object";
    case Json::value_t::array: return value.empty() ? "an empty list" : "a list";
    case Json::value_t::string: return "a text";
    case Json::value_t::boolean: return "true or false";
    default: return "a number";
  }
}

JsonBody::JsonBody(const HttpRequest& request, const std::vector<std::string_view>& known) {
  if (!is_json(request.header("content-type"))) {
    throw ApiError("unsupported_media_type",
                   fmt::format("Content-Type is \"{:.100}\"; send application/json", request.header("content-type")));
  }
  try {
    json_ = Json::parse(request.body);
  } catch (const Json::parse_error& error) {
    throw ApiError("invalid_json", fmt::format("the body is not valid JSON at byte {} of {}: a lone surrogate, text "
                                               "that is not UTF-8, or a character out of place",
                                               error.byte, request.body.size()));
  } catch (const Json::exception&) {
    throw ApiError("invalid_json", "the body holds a number that is too large");
  }
  if (!json_.is_object()) {
    throw ApiError("invalid_json", fmt::format("the body must be a JSON object, not {}", kind_of(json_)));
  }
  for (const auto& [name, value] : json_.items()) check_name(name, known);
}

void JsonBody::check_name(const std::string& name, const std::vector<std::string_view>& known) {
  if (std::ranges::find(known, name) != known.end()) return;
  check_spelling(name, known);
  ignored_.push_back(name);
}

void JsonBody::unfold(const char* name, const std::vector<std::string_view>& known) {
  const Json* object = find(name);
  if (object == nullptr) return;
  if (!object->is_object()) wrong_kind(name, "an object", *object);
  const Json nested = *object;
  for (const auto& [field, value] : nested.items()) {
    check_name(field, known);
    if (find(field.c_str()) == nullptr) json_[field] = value;
  }
}

const Json* JsonBody::find(const char* name) const {
  const auto found = json_.find(name);
  return found == json_.end() || found->is_null() ? nullptr : &*found;
}

const Json& JsonBody::require(const char* name) const {
  const Json* value = find(name);
  if (value == nullptr) throw ApiError("invalid_argument", fmt::format("`{}` is missing", name), name);
  return *value;
}

std::optional<bool> JsonBody::boolean(const char* name) const {
  const Json* value = find(name);
  if (value == nullptr) return std::nullopt;
  if (!value->is_boolean()) wrong_kind(name, "true or false", *value);
  return value->get<bool>();
}

std::optional<std::int64_t> JsonBody::integer(const char* name, std::int64_t min, std::int64_t max) const {
  const Json* value = find(name);
  if (value == nullptr) return std::nullopt;
  const bool fits =
      value->is_number_integer() && !(value->is_number_unsigned() && value->get<std::uint64_t>() > INT64_MAX);
  if (!fits || value->get<std::int64_t>() < min || value->get<std::int64_t>() > max) {
    wrong_kind(name, fmt::format("a whole number from {} to {}", min, max).c_str(), *value);
  }
  return value->get<std::int64_t>();
}

std::optional<std::string> JsonBody::text(const char* name) const {
  const Json* value = find(name);
  if (value == nullptr) return std::nullopt;
  if (!value->is_string()) wrong_kind(name, "a text", *value);
  return value->get<std::string>();
}

}  // namespace treble::server
