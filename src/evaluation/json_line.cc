#include "evaluation/json_line.h"

#include <algorithm>
#include <string_view>

#include "base/fail.h"
#include "base/json_text.h"

namespace treble::internal {

namespace {

using Json = nlohmann::json;

/// Finds a number's digits as they are written: as a double, those after the sixteenth are lost.
class IdDigits : public nlohmann::json_sax<Json> {
 public:
  std::string digits;

  bool null() override { return true; }
  bool boolean(bool) override { return true; }
  bool number_integer(number_integer_t) override { return true; }
  bool number_unsigned(number_unsigned_t) override { return true; }
  bool number_float(number_float_t, const string_t& text) override {
    if (depth_ == 1 && is_id_) digits = text;
    return true;
  }
  bool string(string_t&) override { return true; }
  bool binary(binary_t&) override { return true; }
  bool start_object(std::size_t) override { return enter(); }
  bool start_array(std::size_t) override { return enter(); }
  bool end_object() override { return leave(); }
  bool end_array() override { return leave(); }
  bool key(string_t& name) override {
    if (depth_ == 1) is_id_ = name == "_id";
    return true;
  }
  bool parse_error(std::size_t, const std::string&, const Json::exception&) override { return false; }

 private:
  bool enter() {
    ++depth_;
    return true;
  }
  bool leave() {
    --depth_;
    return true;
  }

  int depth_ = 0;
  bool is_id_ = false;
};

/// The parser's message, without its exception number and its line, which is always the first.
std::string reason(const Json::exception& error) {
  constexpr std::size_t kMaxSize = 200;  // it quotes the line
  const std::string_view words = error.what();
  const auto colon = words.find(": ");
  return std::string(words.substr(colon == words.npos ? 0 : colon + 2).substr(0, kMaxSize));
}

/// "NaN" or "Infinity" where the parser stopped (`byte` counts from 1), which Python's json writes; else nothing.
std::string_view not_a_number(std::string_view line, std::size_t byte) {
  const std::string_view rest = byte == 0 ? std::string_view() : line.substr(std::min(byte - 1, line.size()));
  for (const std::string_view word : {"NaN", "Infinity"}) {
    if (rest.starts_with(word)) return word;
  }
  return {};
}

}  // namespace

Json parse_object(const std::string& line, const std::string& place) {
  Json json;
  try {
    json = parse_json(line);
  } catch (const Json::parse_error& error) {
    if (const auto word = not_a_number(line, error.byte); !word.empty()) {
      fail(ErrorCode::invalid_file, "{}: {} in column {} is not JSON; write null, or leave the field out", place, word,
           error.byte);
    }
    fail(ErrorCode::invalid_file, "{}: not valid JSON, column {}: {}", place, error.byte, reason(error));
  } catch (const Json::exception& error) {
    fail(ErrorCode::invalid_file, "{}: invalid JSON: {}", place, reason(error));
  }
  if (!json.is_object()) fail(ErrorCode::invalid_file, "{}: not a JSON object, but {}", place, json.type_name());
  return json;
}

std::string text_field(const Json& object, const char* key, const std::string& place) {
  const auto found = object.find(key);
  if (found == object.end()) fail(ErrorCode::invalid_file, "{}: \"{}\" is missing", place, key);
  if (!found->is_string()) {
    fail(ErrorCode::invalid_file, "{}: \"{}\" must be a string, and is {}", place, key, found->type_name());
  }
  return found->get<std::string>();
}

std::vector<std::string> text_list(const Json& object, const char* key, const std::string& place) {
  const auto found = object.find(key);
  if (found == object.end() || !found->is_array()) {
    fail(ErrorCode::invalid_file, "{}: \"{}\" must be a list of strings", place, key);
  }
  std::vector<std::string> texts;
  for (const Json& entry : *found) {
    if (!entry.is_string()) fail(ErrorCode::invalid_file, "{}: \"{}\" must hold strings only", place, key);
    texts.push_back(entry.get<std::string>());
  }
  return texts;
}

std::string group_of(const nlohmann::json& object, const std::string& key, const std::string& place) {
  if (key.empty()) return {};
  const auto found = object.find(key);
  if (found == object.end() || !(found->is_string() || found->is_number())) {
    fail(ErrorCode::invalid_file, R"({}: the group field "{:.100}" must be there, a text or a number)", place, key);
  }
  return found->is_string() ? found->get<std::string>() : json_text(*found);
}

std::string id_field(const Json& object, const std::string& line, const std::string& place) {
  const auto found = object.find("_id");
  if (found == object.end() || !found->is_number()) return text_field(object, "_id", place);
  if (found->is_number_integer()) return json_text(*found);
  IdDigits reader;
  Json::sax_parse(line, &reader);
  return reader.digits;
}

}  // namespace treble::internal
