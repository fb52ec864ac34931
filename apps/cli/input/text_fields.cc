#include "input/text_fields.h"

#include <algorithm>

#include "fail.h"

namespace treble::cli {

namespace {

/// "text", "meta.title", …: what --text-field could name.
std::string list_fields(const JsonValue& object) {
  constexpr std::size_t kMaxFields = 12;
  std::string list;
  std::size_t listed = 0;
  const auto add = [&](const std::string& name) {
    if (listed++ < kMaxFields) list += (list.empty() ? "\"" : ", \"") + name + "\"";
  };
  for (const auto& [key, value] : object.members) {
    if (value.kind != JsonValue::Kind::object) add(key);
    for (const auto& inner : value.members) add(key + "." + inner.first);
  }
  if (listed > kMaxFields) list += ", …";
  return list.empty() ? "no fields" : list;
}

std::string id_of(const JsonValue& object) {
  for (const char* key : {"_id", "id"}) {
    const JsonValue* found = object.member(key);
    if (found == nullptr) continue;
    if (found->kind == JsonValue::Kind::number) return found->text;
    if (found->kind == JsonValue::Kind::string) return json_string(found->text);
  }
  return {};
}

JsonValue parse(std::string_view json, const Place& place) {
  try {
    return parse_json(json);
  } catch (const JsonFault& fault) {
    const std::string_view before = json.substr(0, std::min(fault.offset(), json.size()));
    const auto line = place.line + static_cast<std::uint64_t>(std::count(before.begin(), before.end(), '\n'));
    const auto column = before.size() - (before.rfind('\n') + 1) + 1;  // npos + 1 is 0
    fail(ErrorCode::invalid_file, "{}:{}: not valid JSON, column {}: {}", *place.file, line, column, fault.what());
  }
}

}  // namespace

TextFields::TextFields(const InputOptions& options)
    : text_field_(options.text_field.value_or("text")),
      title_field_(options.title_field.value_or("title")),
      label_field_(options.label_field.value_or("")),
      text_is_default_(!options.text_field),
      title_is_default_(!options.title_field),
      invalid_utf8_(options.invalid_utf8) {}

std::int64_t TextFields::read(std::string& json, const Place& place, TextRecord& record) const {
  const std::int64_t replaced =
      repair_utf8(json, place, invalid_utf8_) + repair_lone_surrogates(json, place, invalid_utf8_);
  const JsonValue value = parse(json, place);
  record.line = place.line;
  record.id.clear();
  record.label.clear();
  if (value.kind == JsonValue::Kind::string && text_is_default_) {
    record.text = value.text;
    return replaced;
  }
  if (value.kind != JsonValue::Kind::object) {
    fail(ErrorCode::invalid_file, "{}:{}: a text must be an object such as {{\"{}\": \"…\"}}{}; this is {}{}",
         *place.file, place.line, text_field_, text_is_default_ ? " or a string" : "", describe(value.kind),
         value.kind == JsonValue::Kind::list ? " (a list of texts is --format json)" : "");
  }
  record.text = join_title(title_of(value, place), text_of(value, place));
  record.id = id_of(value);
  record.label = label_of(value, place);
  return replaced;
}

std::string TextFields::text_of(const JsonValue& value, const Place& place) const {
  const JsonValue* found = find_field(value, text_field_);
  if (found == nullptr) {
    fail(ErrorCode::invalid_file, "{}:{}: no field \"{}\" in the object, which has {}; choose one with --text-field",
         *place.file, place.line, text_field_, list_fields(value));
  }
  if (found->kind != JsonValue::Kind::string) fail_field(text_field_, *found, place);
  return found->text;
}

std::string TextFields::title_of(const JsonValue& object, const Place& place) const {
  if (title_field_.empty()) return {};
  const JsonValue* found = find_field(object, title_field_);
  if (found == nullptr || found->kind == JsonValue::Kind::null) return {};
  if (found->kind == JsonValue::Kind::string) return found->text;
  // Nobody asked for a title, so a "title" that is something else is no reason to stop.
  if (title_is_default_) return {};
  fail_field(title_field_, *found, place);
}

std::string TextFields::label_of(const JsonValue& object, const Place& place) const {
  if (label_field_.empty()) return {};
  const JsonValue* found = find_field(object, label_field_);
  if (found == nullptr) return {};
  if (found->kind == JsonValue::Kind::list || found->kind == JsonValue::Kind::object) {
    fail(ErrorCode::invalid_file, "{}:{}: field \"{}\" must be a label (a string or a number), and is {}; {}",
         *place.file, place.line, label_field_, describe(found->kind),
         found->kind == JsonValue::Kind::list ? "a text has one class" : "name a field within it (--labels a.b)");
  }
  return label_from(found->text);
}

void TextFields::fail_field(const std::string& field, const JsonValue& found, const Place& place) {
  const char* way_out = "";
  if (found.kind == JsonValue::Kind::list) way_out = "; make one string of it, or an object for each of its strings";
  if (found.kind == JsonValue::Kind::object) way_out = "; name a field within it (--text-field a.b)";
  if (found.kind == JsonValue::Kind::null) way_out = "; leave such objects out, or write \"\" for an empty text";
  fail(ErrorCode::invalid_file, "{}:{}: field \"{}\" must be a string, and is {}{}", *place.file, place.line, field,
       describe(found.kind), way_out);
}

std::string label_from(const std::string& text) {
  return text.find_first_not_of(" \t\r\n") == std::string::npos ? std::string() : text;
}

const JsonValue* find_field(const JsonValue& object, std::string_view path) {
  if (const JsonValue* found = object.member(path)) return found;
  for (auto dot = path.find('.'); dot != std::string_view::npos; dot = path.find('.', dot + 1)) {
    const JsonValue* outer = object.member(path.substr(0, dot));
    if (outer == nullptr) continue;
    if (const JsonValue* found = find_field(*outer, path.substr(dot + 1))) return found;
  }
  return nullptr;
}

}  // namespace treble::cli
