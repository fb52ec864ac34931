// Where a report goes: a table on stdout, and JSON and a page in files.
#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <string_view>

namespace treble::cli {

class ReportOutput {
 public:
  /// --json and --html.
  void add_to(CLI::App& command, const std::string& group);
  /// Before the long work. Throws Error{invalid_argument} when both are to go to one place, and
  /// Error{not_found, io} naming a file that cannot be written.
  void check() const;
  /// Writes the files and says so on stderr; `table` goes to stdout unless something else does.
  void write(std::string_view json, std::string_view table) const;

 private:
  std::string json_;
  std::string html_;
};

}  // namespace treble::cli
