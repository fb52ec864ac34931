// The body of a request, read field by field, so that every message names the field.
#pragma once

#include <cstddef>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "http/http_message.h"

namespace treble::server {

using Json = nlohmann::json;

/// What numbers a list may hold.
struct IntegerList {
  std::int64_t min = 0;
  std::int64_t max = 0;
  std::size_t max_count = 0;
};

/// All functions throw ApiError{invalid_argument} naming the field for a value of the wrong kind. A field that is null
/// is one that is not there.
class JsonBody {
 public:
  /// Throws ApiError{unsupported_media_type, invalid_json}. `known` are all fields of the route, of which others may be
  /// a misspelling. A reference into `request` is kept.
  JsonBody(const HttpRequest& request, const std::vector<std::string_view>& known);

  /// Reads the fields of the object in `name` as if they stood in the body, whose own come first.
  void unfold(const char* name, const std::vector<std::string_view>& known);

  /// nullptr where it is not there.
  const Json* find(const char* name) const;
  /// Throws where it is not there.
  const Json& require(const char* name) const;

  std::optional<bool> boolean(const char* name) const;
  std::optional<std::int64_t> integer(const char* name, std::int64_t min, std::int64_t max) const;
  std::optional<std::vector<std::int64_t>> integers(const char* name, const IntegerList& allowed) const;
  std::optional<std::string> text(const char* name) const;

  /// Fields that no route of ours reads, such as OpenAI's `user`: for the header x-ignored-fields.
  const std::vector<std::string>& ignored() const noexcept { return ignored_; }

 private:
  void check_name(const std::string& name, const std::vector<std::string_view>& known);

  Json json_;
  std::vector<std::string> ignored_;
};

/// "a number", "a list": for messages.
std::string kind_of(const Json& value);

}  // namespace treble::server
