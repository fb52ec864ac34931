#include "input/csv.h"

#include <algorithm>
#include <charconv>

#include "fail.h"
#include "input/json_value.h"
#include "input/text_fields.h"

namespace treble::cli {

bool CsvSource::next_record() {
  std::string line;
  do {
    if (!lines_.next(line)) return false;
  } while (without_ending(line).empty());
  record_.start();
  record_line_ = lines_.place().line;
  while (true) {
    replaced_ += repair_utf8(line, lines_.place(), options_.invalid_utf8);
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

std::string CsvSource::list_columns() const {
  constexpr std::size_t kMaxColumns = 30;
  std::string list;
  for (std::size_t i = 0; i < std::min(columns_.size(), kMaxColumns); ++i) {
    list += (i == 0 ? "\"" : ", \"") + columns_[i].substr(0, 60) + "\"";
  }
  return list + (columns_.size() > kMaxColumns ? ", …" : "");
}

std::optional<std::size_t> CsvSource::find_column(std::string_view name) const {
  if (!options_.header) {
    std::size_t number = 0;
    const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), number);
    if (error != std::errc() || end != name.data() + name.size() || number < 1 || number > columns_.size()) {
      return std::nullopt;
    }
    return number - 1;
  }
  const auto found = std::find(columns_.begin(), columns_.end(), name);
  if (found == columns_.end()) return std::nullopt;
  return static_cast<std::size_t>(found - columns_.begin());
}

std::size_t CsvSource::require_column(const std::string& name, const char* option) const {
  if (options_.header && std::count(columns_.begin(), columns_.end(), name) > 1) {
    fail(ErrorCode::invalid_file, "{}: several columns are called \"{}\"; rename all but one of them", lines_.name(),
         name);
  }
  if (const auto column = find_column(name)) return *column;
  if (!options_.header) {
    fail(ErrorCode::invalid_file,
         "{}:{}: no column \"{}\"; without a header row, columns are numbers, here 1 to {} (separated by {}: {}); "
         "choose one with {}",
         lines_.name(), record_line_, name, columns_.size(), name_delimiter(record_.delimiter()), list_columns(),
         option);
  }
  fail(
      ErrorCode::invalid_file,
      "{}: no column \"{}\" in the header row, which has {} (separated by {}); choose one with {}, or give --no-header "
      "if it is a text",
      lines_.name(), name, list_columns(), name_delimiter(record_.delimiter()), option);
}

/// One long heading is more likely a header row whose delimiter was not seen.
void CsvSource::check_one_column() const {
  if (!options_.header || columns_.size() != 1 || options_.text_field == columns_.front()) return;
  const char hidden = hidden_delimiter(columns_.front());
  if (hidden == 0) return;
  fail(ErrorCode::invalid_file,
       "{}: the header row has one column, \"{:.200}\", which looks like several separated by {}; say so with "
       "--delimiter, or name that column with --text-field",
       lines_.name(), columns_.front(), name_delimiter(hidden));
}

/// False for a file without records.
bool CsvSource::start() {
  started_ = true;
  const std::string text_field = options_.text_field.value_or("text");
  if (!delimiter_) delimiter_ = find_delimiter(lines_, options_.header ? &text_field : nullptr);
  record_ = CsvRecord(*delimiter_);
  if (!next_record()) return false;
  columns_ = record_.fields();
  pending_ = !options_.header;
  check_one_column();
  if (options_.text_field || columns_.size() > 1) {
    text_column_ = require_column(text_field, "--text-field");
  }
  const std::string title = options_.title_field.value_or("");
  if (!title.empty()) title_column_ = require_column(title, "--title-field");
  if (options_.label_field) label_column_ = require_column(*options_.label_field, "--labels");
  if (!options_.header) return true;
  id_column_ = find_column("_id");
  if (!id_column_) id_column_ = find_column("id");
  if (id_column_ == text_column_) id_column_.reset();
  return true;
}

void CsvSource::check_width() const {
  const std::size_t found = record_.fields().size();
  if (found == columns_.size()) return;
  fail(ErrorCode::invalid_file, "{}:{}: the record has {} field{}, the {} has {} (separated by {}); {}", lines_.name(),
       record_line_, found, found == 1 ? "" : "s", options_.header ? "header row" : "first record", columns_.size(),
       name_delimiter(record_.delimiter()),
       found > columns_.size() ? "a text that contains the delimiter must be quoted" : "another --delimiter?");
}

bool CsvSource::next(TextRecord& record) {
  if (!started_ && !start()) return false;
  if (!pending_ && !next_record()) return false;
  pending_ = false;
  check_width();
  const auto& fields = record_.fields();
  record.text = title_column_ ? join_title(fields[*title_column_], fields[text_column_]) : fields[text_column_];
  record.id = id_column_ ? json_string(fields[*id_column_]) : std::string();
  record.label = label_column_ ? label_from(fields[*label_column_]) : std::string();
  record.line = record_line_;
  return true;
}

}  // namespace treble::cli
