#include "api/json_body.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "api/api_error.h"
#include "api/spelling.h"

namespace treble::server {

namespace {

/// Fields of the peers' APIs that have no meaning here and are close to one that has: never a misspelling.
constexpr auto kForeign = std::to_array<std::string_view>({"user", "type", "inputs", "input", "text", "texts"});

[[noreturn]] void wrong_kind(const char* name, const char* wanted, const Json& value) {
  // A number is quoted, as it is the value that may be wrong, not the kind.
  throw ApiError(
      "invalid_argument",
      fmt::format("`{}` must be {}, not {:.40}", name, wanted, value.is_number() ? value.dump() : kind_of(value)),
      name);
}

void check_spelling(const std::string& name, const std::vector<std::string_view>& known) {
  if (std::ranges::find(kForeign, name) != kForeign.end()) return;
  for (const std::string_view field : known) {
    if (field.size() < 5 || edit_distance(name, field) > 2) continue;
    throw ApiError("invalid_argument", fmt::format("there is no field `{:.50}`; did you mean `{}`?", name, field),
                   name);
  }
}

/// Unset: not a whole number, or one beyond 64 bits.
std::optional<std::int64_t> whole_number(const Json& value) {
  if (!value.is_number_integer()) return std::nullopt;
  if (value.is_number_unsigned() && value.get<std::uint64_t>() > INT64_MAX) return std::nullopt;
  return value.get<std::int64_t>();
}

/// No field has more than a few; the parser has no limit, and what walks its values recurses.
constexpr int kMaxDepth = 32;

/// Whether brackets are open within brackets beyond kMaxDepth.
bool too_deep(std::string_view json) {
  int depth = 0;
  bool in_text = false;
  for (std::size_t i = 0; i < json.size(); ++i) {
    const char c = json[i];
    if (in_text && c == '\\') {
      ++i;
    } else if (c == '"') {
      in_text = !in_text;
    } else if (!in_text && (c == '[' || c == '{')) {
      if (++depth > kMaxDepth) return true;
    } else if (!in_text && (c == ']' || c == '}')) {
      --depth;
    }
  }
  return false;
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
  if (too_deep(request.body)) {
    throw ApiError("invalid_json", fmt::format("the body is nested more than {} levels deep", kMaxDepth));
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
  const auto number = whole_number(*value);
  if (!number || *number < min || *number > max) {
    wrong_kind(name, fmt::format("a whole number from {} to {}", min, max).c_str(), *value);
  }
  return number;
}

std::optional<std::vector<std::int64_t>> JsonBody::integers(const char* name, const IntegerList& allowed) const {
  const Json* list = find(name);
  if (list == nullptr) return std::nullopt;
  const auto fits = [&](const Json& value) {
    const auto number = whole_number(value);
    return number && *number >= allowed.min && *number <= allowed.max;
  };
  if (!list->is_array() || list->size() > allowed.max_count || !std::ranges::all_of(*list, fits)) {
    throw ApiError("invalid_argument",
                   fmt::format("`{}` must be a list of at most {} whole numbers from {} to {}, not {:.80}", name,
                               allowed.max_count, allowed.min, allowed.max, list->dump(-1, ' ', true)),
                   name);
  }
  return list->get<std::vector<std::int64_t>>();
}

std::optional<std::string> JsonBody::text(const char* name) const {
  const Json* value = find(name);
  if (value == nullptr) return std::nullopt;
  if (!value->is_string()) wrong_kind(name, "a text", *value);
  return value->get<std::string>();
}

}  // namespace treble::server
