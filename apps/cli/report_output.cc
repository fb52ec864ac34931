#include "report_output.h"

#include "standard_streams.h"
#include "treble/report_page.h"

namespace treble::cli {

namespace {

constexpr const char* kStdout = "-";

}  // namespace

void ReportOutput::add_to(CLI::App& command, const std::string& group) {
  command.add_option("--json", json_, "Write the report as JSON to this file; - is stdout, in place of the table")
      ->type_name("FILE")
      ->group(group);
  command
      .add_option("--html", html_,
                  "Write it as one page with plots, which works offline, to this file; - is stdout likewise")
      ->type_name("FILE")
      ->group(group);
  command.add_flag("--force", force_, "Replace such files where they exist")->group(group);
}

void ReportOutput::check(FileRoles roles) const {
  roles.writes(json_, "--json");
  roles.writes(html_, "--html");
  roles.check();
  for (const std::string& path : {json_, html_}) {
    if (!path.empty() && path != kStdout) check_writable(path, existing());
  }
  // The table goes there, if nothing else.
  check_stdout();
}

void ReportOutput::write(std::string_view json, std::string_view table) const {
  std::string text(json);
  if (text.empty() || text.back() != '\n') text += '\n';
  const std::string page = html_.empty() ? std::string() : report_page(json);
  const bool json_file = !json_.empty() && json_ != kStdout;
  const bool html_file = !html_.empty() && html_ != kStdout;
  if (json_file) write_whole_file(json_, text, existing());
  if (html_file) write_whole_file(html_, page, existing());
  if (json_file) say("wrote {}\n", json_);
  if (html_file) say("wrote {}\n", html_);
  print_out(json_ == kStdout ? std::string_view(text) : html_ == kStdout ? std::string_view(page) : table);
}

}  // namespace treble::cli
