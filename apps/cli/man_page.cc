// The manual page, in groff's man macros (groff_man(7)).
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <string_view>

#include "program_reference.h"

namespace treble::cli {

namespace {

/// Text that troff prints as it stands: no escapes, no requests, "-" the character that can be pasted into a shell.
std::string escaped(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool begins_line = i == 0 || text[i - 1] == '\n';
    if (begins_line && (text[i] == '.' || text[i] == '\'')) out += "\\&";
    if (text[i] == '\\') {
      out += "\\e";
    } else if (text[i] == '-') {
      out += "\\-";
    } else {
      out += text[i];
    }
  }
  return out;
}

/// Unindented lines are paragraphs, those that end in a colon bold; indented lines are printed as they are.
std::string paragraphs(const std::string& text) {
  std::string out;
  bool as_it_is = false;
  bool starts_paragraph = true;
  for (const std::string& line : CLI::detail::split(text, '\n')) {
    const bool indented = line.starts_with(' ');
    if (indented != as_it_is) out += indented ? ".PP\n.nf\n" : ".fi\n";
    if (!indented && as_it_is) starts_paragraph = true;
    as_it_is = indented;
    if (line.empty()) {
      starts_paragraph = true;
      continue;
    }
    if (!indented && starts_paragraph) out += ".PP\n";
    starts_paragraph = false;
    out += escaped(line) + '\n';
  }
  return as_it_is ? out + ".fi\n" : out;
}

std::string option_entry(const OptionReference& option) {
  std::string heading;
  for (const std::string& name : option.names) {
    heading += fmt::format("{}\\fB{}\\fR", heading.empty() ? "" : ", ", escaped(name));
  }
  if (!option.value.empty()) {
    heading +=
        fmt::format("{}\\fI{}\\fR", option.names.empty() ? "" : " ",
                    escaped(option.choices.empty() ? option.value : fmt::format("{}", fmt::join(option.choices, "|"))));
  }
  std::string notes;
  if (option.required) notes += " (required)";
  if (!option.environment.empty()) notes += fmt::format(" [${}]", option.environment);
  return fmt::format(".TP\n{}\n{}\n", heading, escaped(option.description + notes));
}

std::string command_section(const ProgramReference& program, const CommandReference& command) {
  std::string out = fmt::format(".SS \"{} {}\"\n{}.\n", program.name, command.name, escaped(command.description));
  for (const OptionReference& positional : command.positionals) out += option_entry(positional);
  std::string group;
  for (const OptionReference& option : command.options) {
    if (option.group != group) out += fmt::format(".PP\n.B {}\n", escaped(option.group));
    group = option.group;
    out += option_entry(option);
  }
  return out + paragraphs(command.footer);
}

}  // namespace

std::string man_page(const ProgramReference& program, const std::string& version) {
  std::string out =
      fmt::format(".\\\" Generated from the parser of the program.\n.TH TREBLE 1 \"\" \"treble {}\"\n", version);
  out += fmt::format(".SH NAME\n{} \\- text embeddings, and what length does to them\n", program.name);
  out += fmt::format(".SH SYNOPSIS\n\\fB{}\\fR \\fICOMMAND\\fR [\\fIOPTION\\fR]... [\\fIINPUT\\fR]...\n", program.name);
  out += fmt::format(".SH DESCRIPTION\n{}\n.SH OPTIONS\n", escaped(program.description));
  for (const OptionReference& option : program.options) out += option_entry(option);
  out += ".SH COMMANDS\n";
  for (const CommandReference& command : program.commands) {
    out += fmt::format(".TP\n.B {}\n{}\n", command.name, escaped(command.description));
  }
  for (const CommandReference& command : program.commands) out += command_section(program, command);
  out += fmt::format(".SH NOTES\n{}", paragraphs(program.footer));
  out +=
      ".SH ENVIRONMENT\n"
      ".TP\n.B TREBLE_MODEL\nThe model where \\fB\\-\\-model\\fR is not given.\n"
      ".TP\n.B TREBLE_CACHE\nThe folder of \\fB\\-\\-cache\\fR where that is not given.\n"
      ".TP\n.B TREBLE_PYTHON\nThe Python interpreter that reads Parquet files and bakes ONNX files.\n"
      ".TP\n.BR HF_HUB_CACHE \", \" HF_HOME\nWhere the local Hugging Face cache is. Nothing is ever downloaded.\n"
      ".TP\n.B COLUMNS\nThe width of \\fB\\-\\-help\\fR.\n";
  return out;
}

}  // namespace treble::cli
