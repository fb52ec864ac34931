#include "input/csv_lines.h"

#include <algorithm>
#include <array>
#include <utility>
#include <vector>

#include "fail.h"
#include "input/csv_record.h"

namespace treble::cli {

namespace {

constexpr std::array<char, 4> kDelimiters = {',', ';', '\t', '|'};
constexpr std::size_t kMaxLines = 100;
constexpr std::size_t kMaxBytesAhead = std::size_t{1} << 20;
constexpr std::size_t kMaxRecords = 10;

/// How a file looks with one delimiter.
struct Reading {
  char delimiter = ',';
  std::vector<std::string> first;  ///< the fields of the first record
  bool regular = true;             ///< of the records looked at, all have the same number of fields
};

/// Reads one record ahead, from the line `at`; false at the end, or where that is too far ahead.
bool read_ahead(CsvLines& lines, std::size_t& at, CsvRecord& record) {
  record.start();
  const std::string* line = lines.ahead(at);
  while (line != nullptr && without_ending(*line).empty()) line = lines.ahead(++at);
  for (; line != nullptr; line = lines.ahead(at)) {
    ++at;
    if (record.add_line(*line)) return true;
  }
  return false;
}

Reading read_first(CsvLines& lines, char delimiter) {
  CsvRecord record(delimiter);
  std::size_t at = 0;
  if (!read_ahead(lines, at, record) || record.fault()) return {delimiter, {}, false};
  return {delimiter, record.fields(), true};
}

void read_rows(CsvLines& lines, Reading& reading) {
  CsvRecord record(reading.delimiter);
  std::size_t at = 0;
  for (std::size_t i = 0; i < kMaxRecords && read_ahead(lines, at, record); ++i) {
    reading.regular = reading.regular && !record.fault() && record.fields().size() == reading.first.size();
  }
}

bool has_column(const Reading& reading, const std::string* name) {
  return name != nullptr && std::find(reading.first.begin(), reading.first.end(), *name) != reading.first.end();
}

/// The only reading for which `fits` holds, or null.
template <typename Predicate>
const Reading* only_one(const std::vector<Reading>& readings, Predicate fits) {
  const auto found = std::find_if(readings.begin(), readings.end(), fits);
  if (found == readings.end() || std::find_if(found + 1, readings.end(), fits) != readings.end()) return nullptr;
  return &*found;
}

}  // namespace

bool CsvLines::next(std::string& line) {
  if (ahead_.empty()) {
    if (!lines_.next(line)) return false;
    line_number_ = lines_.place().line;
    offset_ = lines_.place().offset;
    return true;
  }
  line = std::move(ahead_.front().bytes);
  line_number_ = ahead_.front().number;
  offset_ = ahead_.front().offset;
  ahead_.pop_front();
  return true;
}

const std::string* CsvLines::ahead(std::size_t index) {
  while (ahead_.size() <= index) {
    Line line;
    if (ahead_.size() == kMaxLines || ahead_bytes_ > kMaxBytesAhead || !lines_.next(line.bytes)) return nullptr;
    line.number = lines_.place().line;
    line.offset = lines_.place().offset;
    ahead_bytes_ += line.bytes.size();
    ahead_.push_back(std::move(line));
  }
  return &ahead_[index].bytes;
}

std::string name_delimiter(char delimiter) {
  switch (delimiter) {
    case ',': return "a comma";
    case ';': return "a semicolon (;)";
    case '\t': return "a tab";
    default: return fmt::format("\"{}\"", delimiter);
  }
}

char find_delimiter(CsvLines& lines, const std::string* preferred) {
  std::vector<Reading> readings;
  for (const char delimiter : kDelimiters) {
    Reading reading = read_first(lines, delimiter);
    if (reading.first.size() > 1) readings.push_back(std::move(reading));
  }
  if (readings.empty()) return ',';
  if (readings.size() == 1) return readings.front().delimiter;
  if (const Reading* found = only_one(readings, [&](const Reading& r) { return has_column(r, preferred); })) {
    return found->delimiter;
  }
  for (auto& reading : readings) read_rows(lines, reading);
  if (const Reading* found = only_one(readings, [](const Reading& r) { return r.regular; })) return found->delimiter;
  std::string choices;
  for (const auto& reading : readings) choices += (choices.empty() ? "" : " or ") + name_delimiter(reading.delimiter);
  fail(ErrorCode::invalid_file, "{}: its fields may be separated by {}; say which with --delimiter", lines.name(),
       choices);
}

char hidden_delimiter(std::string_view heading) {
  for (const char delimiter : kDelimiters) {
    if (heading.find(delimiter) != std::string_view::npos) return delimiter;
  }
  return 0;
}

}  // namespace treble::cli
