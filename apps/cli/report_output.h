// Where a report goes: a table on stdout, and JSON and a page in files.
#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <string_view>

#include "file_roles.h"
#include "treble/whole_file.h"

namespace treble::cli {

class ReportOutput {
 public:
  /// --json, --html and --force.
  void add_to(CLI::App& command, const std::string& group);
  /// Before the long work: whether the files can be written, and are neither among what `roles` reads nor there already
  /// without --force. Throws Error{invalid_argument, not_found, io}.
  void check(FileRoles roles) const;
  /// Writes the files and says so on stderr; `table` goes to stdout unless something else does.
  void write(std::string_view json, std::string_view table) const;
  /// What becomes of files that are there.
  Existing existing() const { return force_ ? Existing::replace : Existing::refuse; }

 private:
  std::string json_;
  std::string html_;
  bool force_ = false;
};

}  // namespace treble::cli
