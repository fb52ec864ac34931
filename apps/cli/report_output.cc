#include "report_output.h"

#include <fmt/format.h>

#include <cstdio>

#include "fail.h"
#include "model_arguments.h"
#include "output/output_file.h"
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
}

void ReportOutput::check() const {
  if (!json_.empty() && json_ == html_) {
    fail(ErrorCode::invalid_argument, "--json and --html both go to {}; give one of them another file",
         json_ == kStdout ? "stdout" : json_);
  }
  for (const std::string& path : {json_, html_}) {
    if (!path.empty() && path != kStdout) check_replaceable(path);
  }
}

void ReportOutput::write(std::string_view json, std::string_view table) const {
  std::string text(json);
  if (text.empty() || text.back() != '\n') text += '\n';
  const std::string page = html_.empty() ? std::string() : report_page(json);
  const bool json_file = !json_.empty() && json_ != kStdout;
  const bool html_file = !html_.empty() && html_ != kStdout;
  if (json_file) replace_file(json_, text);
  if (html_file) replace_file(html_, page);
  print_out(json_ == kStdout ? std::string_view(text) : html_ == kStdout ? std::string_view(page) : table);
  if (json_file) fmt::print(stderr, "wrote {}\n", json_);
  if (html_file) fmt::print(stderr, "wrote {}\n", html_);
}

}  // namespace treble::cli
