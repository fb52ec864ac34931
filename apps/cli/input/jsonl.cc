#include "input/jsonl.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "fail.h"

namespace treble::cli {

namespace {

using Json = nlohmann::json;

bool is_blank(std::string_view line) { return line.find_first_not_of(" \t\r\n") == std::string_view::npos; }

/// The parser's own words, without its exception number and its line, which is always the first.
std::string reason(const Json::parse_error& error) {
  const std::string_view what = error.what();
  const auto colon = what.find(": ");
  std::string words(colon == std::string_view::npos ? what : what.substr(colon + 2));
  constexpr std::size_t kMost = 200;  // it quotes the line
  if (words.size() > kMost) words.resize(kMost);
  return words;
}

std::string list_fields(const Json& object) {
  constexpr std::size_t kMost = 12;
  std::string list;
  std::size_t listed = 0;
  for (const auto& [key, value] : object.items()) {
    if (listed++ == kMost) return list + ", …";
    list += (list.empty() ? "\"" : ", \"") + key + "\"";
  }
  return list.empty() ? "no fields" : list;
}

std::string id_of(const Json& object) {
  for (const char* key : {"_id", "id"}) {
    const auto found = object.find(key);
    if (found != object.end() && (found->is_string() || found->is_number())) return found->dump();
  }
  return {};
}

}  // namespace

JsonlSource::JsonlSource(const std::string& path, const InputOptions& options, const StopSignal* stop)
    : lines_(path, stop),
      text_field_(options.text_field.value_or("text")),
      title_field_(options.title_field.value_or("title")),
      title_is_default_(!options.title_field),
      invalid_utf8_(options.invalid_utf8) {}

bool JsonlSource::next(TextRecord& record) {
  do {
    if (!lines_.next(line_)) return false;
  } while (is_blank(line_));
  const Place place = lines_.place();
  replaced_ += mend_utf8(line_, place, invalid_utf8_);
  replaced_ += mend_lone_surrogates(line_, place, invalid_utf8_);
  record.line = place.line;
  try {
    read_object(Json::parse(line_.begin(), line_.end()), record);
  } catch (const Json::parse_error& error) {
    fail(ErrorCode::invalid_file, "{}:{}: not valid JSON, column {}: {}", lines_.name(), place.line, error.byte,
         reason(error));
  } catch (const Json::exception& error) {
    fail(ErrorCode::invalid_file, "{}:{}: not usable JSON: {}", lines_.name(), place.line, error.what());
  }
  return true;
}

void JsonlSource::read_object(const Json& object, TextRecord& record) const {
  if (!object.is_object()) {
    fail(ErrorCode::invalid_file, "{}:{}: each line must be a JSON object such as {{\"{}\": \"…\"}}; this one is {} {}",
         lines_.name(), lines_.place().line, text_field_, object.is_array() ? "an" : "a", object.type_name());
  }
  record.text = join_title(title_of(object), text_of(object));
  record.id = id_of(object);
}

std::string JsonlSource::text_of(const Json& object) const {
  const auto found = object.find(text_field_);
  if (found == object.end()) {
    fail(ErrorCode::invalid_file, "{}:{}: no field \"{}\" in the object, which has {}; choose one with --text-field",
         lines_.name(), lines_.place().line, text_field_, list_fields(object));
  }
  if (!found->is_string()) fail_field(text_field_, *found);
  return found->get<std::string>();
}

std::string JsonlSource::title_of(const Json& object) const {
  if (title_field_.empty()) return {};
  const auto found = object.find(title_field_);
  if (found == object.end() || found->is_null()) return {};
  if (found->is_string()) return found->get<std::string>();
  // Nobody asked for a title, so a "title" that is something else is no reason to stop.
  if (title_is_default_) return {};
  fail_field(title_field_, *found);
}

void JsonlSource::fail_field(const std::string& field, const Json& found) const {
  fail(ErrorCode::invalid_file, "{}:{}: field \"{}\" must be a string, and is {}: {}", lines_.name(),
       lines_.place().line, field, found.type_name(), found.dump().substr(0, 60));
}

}  // namespace treble::cli
