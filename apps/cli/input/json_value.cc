#include "input/json_value.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <nlohmann/json.hpp>

namespace treble::cli {

namespace {

constexpr std::size_t kMaxDepth = 256;

/// The parser's own words, without its exception number and its line, which is always the first.
std::string reason_of(const nlohmann::json::exception& error) {
  const std::string_view what = error.what();
  const auto colon = what.find(": ");
  std::string words(colon == std::string_view::npos ? what : what.substr(colon + 2));
  constexpr std::size_t kMaxSize = 200;  // it quotes the line
  if (words.size() > kMaxSize) words.resize(kMaxSize);
  return words;
}

/// Builds a JsonValue from what nlohmann's parser finds.
class Builder : public nlohmann::json_sax<nlohmann::json> {
 public:
  Builder(std::string_view json, JsonValue& root) : json_(json), root_(root) {}

  bool null() override { return add({}); }
  bool boolean(bool value) override { return add({JsonValue::Kind::boolean, value ? "true" : "false"}); }
  bool number_integer(std::int64_t value) override {
    // Only what has a minus sign comes here.
    return add({JsonValue::Kind::number, value == 0 ? "-0" : fmt::format("{}", value)});
  }
  bool number_unsigned(std::uint64_t value) override {
    return add({JsonValue::Kind::number, fmt::format("{}", value)});
  }
  bool number_float(double /*value*/, const std::string& digits) override {
    return add({JsonValue::Kind::number, digits});
  }
  bool string(std::string& value) override { return add({JsonValue::Kind::string, std::move(value)}); }
  bool binary(nlohmann::json::binary_t& /*value*/) override { return false; }
  bool start_object(std::size_t /*elements*/) override { return open({JsonValue::Kind::object}); }
  bool end_object() override { return close(); }
  bool start_array(std::size_t /*elements*/) override { return open({JsonValue::Kind::list}); }
  bool end_array() override { return close(); }
  bool key(std::string& name) override {
    if (!open_.empty() && open_.back() != nullptr) name_ = std::move(name);
    return true;
  }

  bool parse_error(std::size_t position, const std::string& /*token*/,
                   const nlohmann::json::exception& error) override {
    offset_ = position == 0 ? 0 : position - 1;
    reason_ = reason_of(error);
    constexpr std::array<std::string_view, 2> kNotFinite = {"NaN", "Infinity"};
    for (const auto word : kNotFinite) {
      if (!json_.substr(std::min(offset_, json_.size())).starts_with(word)) continue;
      reason_ = fmt::format("{}is {}, which JSON does not have; write null or leave it out",
                            name_.empty() ? "a value " : fmt::format("field \"{}\" ", name_), word);
    }
    return false;
  }

  JsonFault fault() const { return {offset_, reason_}; }

 private:
  /// Where the next value goes; null where it is not kept.
  JsonValue* place() {
    if (open_.empty()) return &root_;
    JsonValue* parent = open_.back();
    if (parent == nullptr || parent->kind == JsonValue::Kind::list) return nullptr;
    return &parent->members.emplace_back(name_, JsonValue()).second;
  }

  bool add(JsonValue value) {
    if (JsonValue* found = place()) *found = std::move(value);
    return true;
  }

  bool open(JsonValue value) {
    if (open_.size() == kMaxDepth) {
      reason_ = fmt::format("it nests deeper than {} levels", kMaxDepth);
      return false;
    }
    JsonValue* found = place();
    if (found != nullptr) *found = std::move(value);
    open_.push_back(found);
    return true;
  }

  bool close() {
    open_.pop_back();
    return true;
  }

  std::string_view json_;
  JsonValue& root_;
  /// The lists and objects around the next value. No member is added to one whose member is open, so they do not move.
  std::vector<JsonValue*> open_;
  std::string name_;
  std::size_t offset_ = 0;  ///< of what reason_ is about
  std::string reason_;
};

}  // namespace

const JsonValue* JsonValue::member(std::string_view name) const {
  const auto found = std::find_if(members.rbegin(), members.rend(), [&](const auto& one) { return one.first == name; });
  return found == members.rend() ? nullptr : &found->second;
}

const char* describe(JsonValue::Kind kind) {
  switch (kind) {
    case JsonValue::Kind::null: return "null";
    case JsonValue::Kind::boolean: return "true or false";
    case JsonValue::Kind::number: return "a number";
    case JsonValue::Kind::string: return "a string";
    case JsonValue::Kind::list: return "a list";
    case JsonValue::Kind::object: return "an object";
  }
  return "null";
}

JsonValue parse_json(std::string_view json) {
  JsonValue value;
  Builder builder(json, value);
  if (!nlohmann::json::sax_parse(json.begin(), json.end(), &builder)) throw builder.fault();
  return value;
}

std::string json_string(std::string_view text) {
  return nlohmann::json(text).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

}  // namespace treble::cli
