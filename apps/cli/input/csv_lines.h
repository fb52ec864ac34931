// The lines of a CSV file, of which the first may be looked at twice.
#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <string_view>

#include "input/line_reader.h"

namespace treble::cli {

class CsvLines {
 public:
  CsvLines(const std::string& path, const StopSignal* stop) : lines_(path, stop, LineEnds::universal) {}

  bool next(std::string& line);
  /// Where the line that next() gave begins.
  Place place() const noexcept { return {&lines_.name(), line_number_, offset_}; }
  const std::string& name() const noexcept { return lines_.name(); }
  std::uint64_t file_bytes() const noexcept { return lines_.file_bytes(); }

  /// The line `index` after the last one that next() gave, left for next(); null when there are no more, or when it
  /// is too far ahead (100 lines, 1 MiB) to be looked at.
  const std::string* ahead(std::size_t index);

 private:
  struct Line {
    std::string bytes;
    std::uint64_t number = 0;
    std::uint64_t offset = 0;
  };

  LineReader lines_;
  std::deque<Line> ahead_;
  std::size_t ahead_bytes_ = 0;
  std::uint64_t line_number_ = 0;
  std::uint64_t offset_ = 0;
};

/// "a semicolon (;)", "a tab".
std::string name_delimiter(char delimiter);

/// What separates the fields of a file whose next record is the header (or, without one, the first record): the one of
/// comma, semicolon, tab and | that occurs in it outside quotes. Of several, the one with which the column `preferred`
/// (unless null) is there, else the one with which the next records have as many fields. A comma when there is none.
/// Throws Error{invalid_file} when it is ambiguous.
char find_delimiter(CsvLines& lines, const std::string* preferred);

/// The delimiter that a heading of a file of one column seems to hold, or 0: "id;text".
char hidden_delimiter(std::string_view heading);

}  // namespace treble::cli
