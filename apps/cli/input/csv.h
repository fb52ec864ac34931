// CSV as RFC 4180 has it: a header row, fields in quotes where needed, doubled quotes, line breaks inside quotes.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "input/line_reader.h"
#include "input/text_source.h"

namespace treble::cli {

/// Puts a record together from physical lines.
class CsvRecord {
 public:
  void start() { *this = CsvRecord(); }
  /// Takes a line with its ending; true when the record ends with it. Sets `fault` when a quoted field goes on after
  /// its closing quote.
  bool add_line(std::string_view line);

  const std::vector<std::string>& fields() const noexcept { return fields_; }
  bool fault() const noexcept { return fault_; }

 private:
  enum class State { field_start, plain, quoted, closing_quote };
  void end_field();
  void add(char c);

  State state_ = State::field_start;
  bool fault_ = false;
  std::string field_;
  std::vector<std::string> fields_;
};

/// Empty lines are passed over; an empty text in a file of one column is written "". The id is the column "_id", else
/// "id".
class CsvSource : public TextSource {
 public:
  /// Reads the header with the first next(). Throws as ByteReader does.
  CsvSource(const std::string& path, const InputOptions& options, const StopSignal* stop = nullptr)
      : lines_(path, stop), options_(options) {}

  bool next(TextRecord& record) override;
  std::uint64_t bytes_read() const override { return lines_.position(); }
  std::int64_t replaced() const override { return replaced_; }

 private:
  bool next_record();
  void read_header();
  std::optional<std::size_t> find_column(std::string_view name) const;
  std::size_t require_column(const std::string& name, const char* option) const;

  LineReader lines_;
  InputOptions options_;
  std::int64_t replaced_ = 0;
  CsvRecord record_;
  std::uint64_t record_line_ = 1;
  std::vector<std::string> header_;
  std::size_t text_column_ = 0;
  std::optional<std::size_t> title_column_;
  std::optional<std::size_t> id_column_;
};

}  // namespace treble::cli
