#include "input/csv_record.h"

#include <utility>

#include "input/line_reader.h"

namespace treble::cli {

void CsvRecord::end_field() {
  fields_.push_back(std::move(field_));
  field_.clear();
  state_ = State::field_start;
}

void CsvRecord::add(char c) {
  switch (state_) {
    case State::field_start:
      if (c == '"') {
        state_ = State::quoted;
        return;
      }
      state_ = State::plain;
      [[fallthrough]];
    case State::plain:
      // A quote inside a plain field is not RFC 4180, but everyone takes it literally (5" disk).
      if (c == delimiter_) return end_field();
      break;
    case State::quoted:
      if (c == '"') {
        state_ = State::closing_quote;
        return;
      }
      break;
    case State::closing_quote:
      if (c == delimiter_) return end_field();
      fault_ |= c != '"';
      state_ = State::quoted;
      break;
  }
  field_ += c;
}

bool CsvRecord::add_line(std::string_view line) {
  const std::string_view content = without_ending(line);
  for (const char c : content) add(c);
  if (state_ == State::quoted) {
    field_.append(line.substr(content.size()));
    return false;
  }
  end_field();
  return true;
}

}  // namespace treble::cli
