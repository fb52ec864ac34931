// Which fields of a JSON object make a text.
#pragma once

#include <string>
#include <string_view>

#include "input/json_value.h"
#include "input/text_source.h"

namespace treble::cli {

/// Text, title and id of JSON objects. A field "a.b" is the member of that very name, else "b" of the object "a".
class TextFields {
 public:
  explicit TextFields(const InputOptions& options);

  /// Parses `json`, repaired as the options say, and sets text, id and label. A plain string is a text where no field
  /// was asked for. The id is "_id", else "id", when it is a string or a number; numbers stay as they are written.
  /// Returns how many U+FFFD were put in. Throws Error{invalid_file} naming file and line.
  std::int64_t read(std::string& json, const Place& place, TextRecord& record) const;

  /// The name of the text's field.
  const std::string& text_field() const noexcept { return text_field_; }

 private:
  std::string text_of(const JsonValue& value, const Place& place) const;
  std::string title_of(const JsonValue& object, const Place& place) const;
  std::string label_of(const JsonValue& object, const Place& place) const;
  [[noreturn]] static void fail_field(const std::string& field, const JsonValue& found, const Place& place);

  std::string text_field_;
  std::string title_field_;
  std::string label_field_;  ///< empty: labels are not read
  bool text_is_default_;
  bool title_is_default_;
  InvalidUtf8 invalid_utf8_;
};

/// A label as it was given; empty where it is blank.
std::string label_from(const std::string& text);

/// The member at `path`, or null.
const JsonValue* find_field(const JsonValue& object, std::string_view path);

}  // namespace treble::cli
