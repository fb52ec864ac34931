#include "command_line.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <utility>

#include "api/spelling.h"

namespace treble::cli {

namespace {

[[noreturn]] void fail_usage(const std::string& message) {
  throw CLI::ParseError(message, CLI::ExitCodes::ExtrasError);
}

std::string suggestion(std::string_view name, const std::vector<std::string>& known) {
  const std::string nearest = server::nearest_name(name, known);
  return nearest.empty() ? "" : fmt::format("; did you mean {}?", nearest);
}

std::vector<std::string> option_names(const CLI::App& app) {
  std::vector<std::string> names;
  for (const CLI::Option* option : app.get_options()) {
    for (const std::string& name : option->get_lnames()) names.push_back("--" + name);
  }
  return names;
}

std::vector<std::string> command_names(const CLI::App& app) {
  std::vector<std::string> names;
  const auto is_listed = [](const CLI::App* command) { return !command->get_group().empty(); };
  for (const CLI::App* command : app.get_subcommands(is_listed)) {
    names.push_back(command->get_name());
  }
  return names;
}

const CLI::App* find_command(const CLI::App& app, const std::string& name) {
  const auto named = app.get_subcommands([&](const CLI::App* command) { return command->get_name() == name; });
  if (!named.empty()) return named.front();
  const std::vector<std::string> known = command_names(app);
  const std::string near = suggestion(name, known);
  fail_usage(near.empty() ? fmt::format("there is no command \"{}\"; there are {}", name, fmt::join(known, ", "))
                          : fmt::format("there is no command \"{}\"{}", name, near));
}

const CLI::Option& find_option(const CLI::App& app, const std::string& name) {
  const CLI::Option* option = app.get_option_no_throw(name);
  if (option == nullptr) {
    fail_usage(fmt::format("{} has no option {}{}", app.get_name(), name, suggestion(name, option_names(app))));
  }
  return *option;
}

/// A text or a name may be empty; a number, a choice or a file may not.
void check_empty(const CLI::Option& option, const std::string& name) {
  const std::string type = option.get_type_name();
  if (type == "TEXT" || type == "NAME") return;
  fail_usage(fmt::format("{} has an empty value; give it one, or leave it out", name));
}

}  // namespace

CLI::Validator one_of(std::vector<std::string> names) {
  // Its name lists what it accepts, for completion and the manual page.
  const std::string accepted = fmt::format("{}", fmt::join(names, "|"));
  return {[names = std::move(names)](const std::string& value) {
            if (std::find(names.begin(), names.end(), value) != names.end()) return std::string();
            return fmt::format("\"{:.100}\" is none of {}{}", value, fmt::join(names, ", "), suggestion(value, names));
          },
          "", accepted};
}

std::vector<std::string> prepare_arguments(const CLI::App& app, int argc, const char* const* argv) {
  if (argc < 2) fail_usage(fmt::format("name a command: {}", fmt::join(command_names(app), ", ")));
  std::vector<std::string> prepared;
  const CLI::App* command = &app;
  const CLI::Option* option = nullptr;  // the last one
  std::size_t values = 0;               // that it still takes
  bool options_end = false;
  for (int i = 1; i < argc; ++i) {
    std::string argument = argv[i];
    if (values > 0) {
      --values;
      if (argument.empty()) check_empty(*option, option->get_name());
    } else if (options_end) {
      // What follows "--" is input.
    } else if (argument == "--") {
      options_end = true;
    } else if (argument.starts_with("--")) {
      const std::size_t equals = argument.find('=');
      option = &find_option(*command, argument.substr(0, equals));
      const auto expected = static_cast<std::size_t>(std::max(0, option->get_items_expected_min()));
      const bool is_flag = option->get_items_expected_max() == 0;
      if (equals == std::string::npos) {
        values = is_flag ? 0 : expected;
      } else if (equals + 1 == argument.size()) {
        argument.pop_back();
        if (is_flag) fail_usage(fmt::format("{}= has no value; write {} alone", argument, argument));
        check_empty(*option, argument);
        prepared.push_back(std::exchange(argument, ""));
      }
    } else if (argument.size() > 1 && argument.front() == '-') {
      option = &find_option(*command, argument.substr(0, 2));
      if (argument.size() == 2) values = static_cast<std::size_t>(std::max(0, option->get_items_expected_min()));
    } else if (command == &app) {
      command = find_command(app, argument);
    }
    prepared.push_back(std::move(argument));
  }
  return prepared;
}

}  // namespace treble::cli
