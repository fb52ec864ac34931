// CSV as RFC 4180 has it: fields in quotes where needed, doubled quotes, line breaks inside quotes; any delimiter.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "input/csv_lines.h"
#include "input/csv_record.h"
#include "input/text_source.h"

namespace treble::cli {

/// Empty lines are skipped; an empty text in a file of one column is written "". The id is the column "_id", else
/// "id". Without a header row, columns are numbers from 1, and there are no ids.
class CsvSource : public TextSource {
 public:
  /// `delimiter`: what the file's name says; options.delimiter is stronger. Neither: comma, semicolon, tab or |,
  /// whichever the header and, where that leaves a choice, the first rows show. Reads with the first next(). Throws as
  /// ByteReader does.
  CsvSource(const std::string& path, const InputOptions& options, std::optional<char> delimiter = {},
            const StopSignal* stop = nullptr)
      : lines_(path, stop), options_(options), delimiter_(options.delimiter ? options.delimiter : delimiter) {}

  bool next(TextRecord& record) override;
  std::uint64_t bytes_read() const override { return lines_.file_bytes(); }
  std::int64_t replaced() const override { return replaced_; }

 private:
  bool next_record();
  bool start();
  void check_one_column() const;
  std::optional<std::size_t> find_column(std::string_view name) const;
  std::size_t require_column(const std::string& name, const char* option) const;
  std::string list_columns() const;
  void check_width() const;

  CsvLines lines_;
  InputOptions options_;
  std::optional<char> delimiter_;
  std::int64_t replaced_ = 0;
  CsvRecord record_;
  std::uint64_t record_line_ = 1;
  bool started_ = false;
  bool pending_ = false;  ///< record_ is a text that was read to see the columns
  std::vector<std::string> columns_;
  std::size_t text_column_ = 0;
  std::optional<std::size_t> title_column_;
  std::optional<std::size_t> label_column_;
  std::optional<std::size_t> id_column_;
};

}  // namespace treble::cli
