// One record of a CSV file, put together from its lines.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace treble::cli {

class CsvRecord {
 public:
  explicit CsvRecord(char delimiter = ',') : delimiter_(delimiter) {}

  void start() { *this = CsvRecord(delimiter_); }
  /// Takes a line with its ending; true when the record ends with it. Sets `fault` when a quoted field continues after
  /// its closing quote.
  bool add_line(std::string_view line);

  const std::vector<std::string>& fields() const noexcept { return fields_; }
  bool fault() const noexcept { return fault_; }
  char delimiter() const noexcept { return delimiter_; }

 private:
  enum class State { field_start, plain, quoted, closing_quote };
  void end_field();
  void add(char c);

  char delimiter_;
  State state_ = State::field_start;
  bool fault_ = false;
  std::string field_;
  std::vector<std::string> fields_;
};

}  // namespace treble::cli
