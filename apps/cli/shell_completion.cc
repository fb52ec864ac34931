// Completion scripts for bash and zsh.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <string_view>

#include "program_reference.h"

namespace treble::cli {

namespace {

enum class ValueKind { choice, folder, file, free };

ValueKind kind_of(const OptionReference& option) {
  if (!option.choices.empty()) return ValueKind::choice;
  if (option.value == "DIR") return ValueKind::folder;
  const bool is_file = option.value.starts_with("FILE") || option.value.starts_with("IN");
  return is_file ? ValueKind::file : ValueKind::free;
}

std::vector<std::string> names_of(const std::vector<OptionReference>& options) {
  std::vector<std::string> names;
  for (const OptionReference& option : options) names.insert(names.end(), option.names.begin(), option.names.end());
  return names;
}

std::vector<std::string> names_of(const std::vector<CommandReference>& commands) {
  std::vector<std::string> names;
  names.reserve(commands.size());
  for (const CommandReference& command : commands) names.push_back(command.name);
  return names;
}

/// One branch of bash's `case "$command $previous"`.
std::string bash_value_case(const CommandReference& command, const OptionReference& option) {
  std::vector<std::string> patterns;
  patterns.reserve(option.names.size());
  for (const std::string& name : option.names) patterns.push_back(fmt::format("'{} {}'", command.name, name));
  std::string action;
  switch (kind_of(option)) {
    case ValueKind::choice:
      action = fmt::format("COMPREPLY=($(compgen -W '{}' -- \"$current\"))", fmt::join(option.choices, " "));
      break;
    case ValueKind::folder:
      action = "compopt -o filenames; mapfile -t COMPREPLY < <(compgen -d -- \"$current\")";
      break;
    case ValueKind::file: action = "compopt -o filenames; mapfile -t COMPREPLY < <(compgen -f -- \"$current\")"; break;
    case ValueKind::free: action = ":"; break;
  }
  return fmt::format("    {}) {}; return ;;\n", fmt::join(patterns, "|"), action);
}

/// Text within single quotes of a shell.
std::string shell_quoted(std::string_view text) {
  std::string out;
  for (const char c : text) out += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return out;
}

/// The first sentence, without what `_arguments` would read as syntax.
std::string zsh_description(const std::string& description) {
  std::string text = description.substr(0, description.find('\n'));
  for (const std::string_view special : {"\\", "[", "]", ":"}) {
    text = CLI::detail::find_and_replace(text, std::string(special), "\\" + std::string(special));
  }
  return shell_quoted(text);
}

std::string zsh_action(const OptionReference& option) {
  switch (kind_of(option)) {
    case ValueKind::choice: return fmt::format("({})", fmt::join(option.choices, " "));
    case ValueKind::folder: return "_files -/";
    case ValueKind::file: return "_files";
    case ValueKind::free: break;
  }
  return " ";
}

std::string zsh_option(const OptionReference& option) {
  std::string values;
  for (int i = 0; i < option.value_count; ++i) {
    values += fmt::format(":{}:{}", shell_quoted(CLI::detail::find_and_replace(option.value, ":", "\\:")),
                          zsh_action(option));
  }
  std::string out;
  for (const std::string& name : option.names) {
    const std::string spec = option.repeatable ? "*" + name : fmt::format("({}){}", fmt::join(option.names, " "), name);
    const bool is_long = name.starts_with("--");
    out += fmt::format("        '{}{}[{}]{}' \\\n", spec, is_long && option.value_count == 1 ? "=" : "",
                       zsh_description(option.description), values);
  }
  return out;
}

std::string zsh_command(const CommandReference& command) {
  std::string out = fmt::format("    {})\n      _arguments -S \\\n", command.name);
  for (const OptionReference& option : command.options) out += zsh_option(option);
  return out + (command.positionals.empty() ? "        && return\n" : "        '*:input:_files' && return\n") +
         "      ;;\n";
}

}  // namespace

std::string bash_completion(const ProgramReference& program) {
  std::string values;
  std::string options;
  for (const CommandReference& command : program.commands) {
    for (const OptionReference& option : command.options) {
      if (option.value_count > 0) values += bash_value_case(command, option);
    }
    options += fmt::format("    {}) options='{}' ;;\n", command.name, fmt::join(names_of(command.options), " "));
  }
  const auto with_help =
      fmt::format("{} {}", fmt::join(names_of(program.commands), " "), fmt::join(names_of(program.options), " "));
  return fmt::format(R"(# bash completion for {0}; generated from the parser of the program.
_{0}() {{
  local current=${{COMP_WORDS[COMP_CWORD]}} previous=${{COMP_WORDS[COMP_CWORD-1]}} command=${{COMP_WORDS[1]}} options=
  COMPREPLY=()
  if ((COMP_CWORD == 1)); then
    COMPREPLY=($(compgen -W '{1}' -- "$current"))
    return
  fi
  # "--option=value" is three words here, as "=" is in COMP_WORDBREAKS.
  if [[ $current == = ]]; then
    current=
  elif [[ $previous == = ]]; then
    previous=${{COMP_WORDS[COMP_CWORD-2]}}
  fi
  case "$command $previous" in
{2}  esac
  case "$command" in
{3}  esac
  if [[ $current == -* ]]; then
    COMPREPLY=($(compgen -W "$options" -- "$current"))
  else
    compopt -o filenames
    mapfile -t COMPREPLY < <(compgen -f -- "$current")
  fi
}}
complete -F _{0} {0}
)",
                     program.name, with_help, values, options);
}

std::string zsh_completion(const ProgramReference& program) {
  std::string commands;
  std::string cases;
  for (const CommandReference& command : program.commands) {
    commands += fmt::format("    '{}:{}'\n", command.name, zsh_description(command.description));
    cases += zsh_command(command);
  }
  std::string options;
  for (const OptionReference& option : program.options) options += zsh_option(option);
  return fmt::format(R"(#compdef {0}
# zsh completion for {0}; generated from the parser of the program.
_{0}() {{
  local context state state_descr line
  typeset -A opt_args
  local -a commands
  commands=(
{1}  )
  _arguments -C \
{2}        '1:command:->command' \
        '*::argument:->argument' && return
  case $state in
    command) _describe -t commands 'command' commands; return ;;
  esac
  case ${{words[1]}} in
{3}  esac
}}
_{0} "$@"
)",
                     program.name, commands, options, cases);
}

}  // namespace treble::cli
