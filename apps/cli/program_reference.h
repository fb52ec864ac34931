// The program's commands and options as plain data, read from the parser: what the manual page and the shells'
// completions are generated from, so that neither can drift.
#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

namespace treble::cli {

struct OptionReference {
  /// As typed, short before long: {"-m", "--model"}; empty for a positional argument.
  std::vector<std::string> names;
  /// What stands for the value in --help: "DIR", "keep|float32"; empty for a flag.
  std::string value;
  /// The values that are accepted, where they are few names.
  std::vector<std::string> choices;
  /// How many arguments follow the option; 0 for a flag.
  int value_count = 0;
  bool repeatable = false;
  bool required = false;
  std::string description;
  /// The heading it stands under in --help, and the environment variable that it falls back to; may be empty.
  std::string group;
  std::string environment;
};

struct CommandReference {
  std::string name;
  std::string description;
  /// What --help prints after the options: notes, and examples as indented lines.
  std::string footer;
  std::vector<OptionReference> options;
  std::vector<OptionReference> positionals;
};

struct ProgramReference {
  std::string name;
  std::string description;
  std::string footer;
  std::vector<OptionReference> options;
  std::vector<CommandReference> commands;
};

/// Everything that is not hidden (in CLI11: that has a group), in the order of --help.
ProgramReference describe(CLI::App& app);

/// Source of the manual page treble(1), for groff's man macros.
std::string man_page(const ProgramReference& program, const std::string& version);

/// Completion of commands, options and their values, for /usr/share/bash-completion/completions/treble.
std::string bash_completion(const ProgramReference& program);

/// The same for zsh, for a file _treble in its fpath.
std::string zsh_completion(const ProgramReference& program);

}  // namespace treble::cli
