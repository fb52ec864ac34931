#include "input/csv.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "fail.h"

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
      // A quote inside a plain field is not RFC 4180, but everyone takes it as it stands (5" disk).
      if (c == ',') return end_field();
      break;
    case State::quoted:
      if (c == '"') {
        state_ = State::closing_quote;
        return;
      }
      break;
    case State::closing_quote:
      if (c == ',') return end_field();
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

bool CsvSource::next_record() {
  std::string line;
  do {
    if (!lines_.next(line)) return false;
  } while (without_ending(line).empty());
  record_.start();
  record_line_ = lines_.place().line;
  while (true) {
    replaced_ += mend_utf8(line, lines_.place(), options_.invalid_utf8);
    const bool complete = record_.add_line(line);
    if (record_.fault()) {
      fail(ErrorCode::invalid_file, "{}:{}: text after a closing quote; inside quotes, a quote is written twice (\"\")",
           lines_.name(), lines_.place().line);
    }
    if (complete) return true;
    if (!lines_.next(line)) {
      fail(ErrorCode::invalid_file, "{}:{}: a quote is opened in this record and never closed", lines_.name(),
           record_line_);
    }
  }
}

std::optional<std::size_t> CsvSource::find_column(std::string_view name) const {
  const auto found = std::find(header_.begin(), header_.end(), name);
  if (found == header_.end()) return std::nullopt;
  return static_cast<std::size_t>(found - header_.begin());
}

std::size_t CsvSource::require_column(const std::string& name, const char* option) const {
  if (const auto column = find_column(name)) return *column;
  std::string columns;
  for (const auto& column : header_) columns += (columns.empty() ? "\"" : ", \"") + column + "\"";
  fail(ErrorCode::invalid_file, "{}: no column \"{}\" in the header row, which has {}; choose one with {}",
       lines_.name(), name, columns, option);
}

void CsvSource::read_header() {
  header_ = record_.fields();
  if (options_.text_field || header_.size() > 1) {
    text_column_ = require_column(options_.text_field.value_or("text"), "--text-field");
  }
  const std::string title = options_.title_field.value_or("");
  if (!title.empty()) title_column_ = require_column(title, "--title-field");
  id_column_ = find_column("_id");
  if (!id_column_) id_column_ = find_column("id");
  if (id_column_ == text_column_) id_column_.reset();
}

bool CsvSource::next(TextRecord& record) {
  if (header_.empty()) {
    if (!next_record()) return false;
    read_header();
  }
  if (!next_record()) return false;
  const auto& fields = record_.fields();
  if (fields.size() != header_.size()) {
    fail(ErrorCode::invalid_file, "{}:{}: the record has {} fields, the header row has {}", lines_.name(), record_line_,
         fields.size(), header_.size());
  }
  record.text = title_column_ ? join_title(fields[*title_column_], fields[text_column_]) : fields[text_column_];
  record.id = id_column_ ? nlohmann::json(fields[*id_column_]).dump() : std::string();
  record.line = record_line_;
  return true;
}

}  // namespace treble::cli
