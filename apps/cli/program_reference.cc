#include "program_reference.h"

#include <algorithm>
#include <utility>

namespace treble::cli {

namespace {

std::vector<std::string> split_choices(const std::string& text) {
  if (text.find('|') == std::string::npos) return {};
  return CLI::detail::split(text, '|');
}

/// one_of() names its validator after what it accepts; otherwise the value's name lists it.
std::vector<std::string> choices_of(CLI::Option& option) {
  try {
    auto choices = split_choices(option.get_validator(0)->get_name());
    if (!choices.empty()) return choices;
  } catch (const CLI::OptionNotFound&) {
    // It has no validator.
    return split_choices(option.get_type_name());
  }
  return split_choices(option.get_type_name());
}

OptionReference describe_option(CLI::Option& option) {
  OptionReference reference;
  for (const std::string& name : option.get_snames()) reference.names.push_back("-" + name);
  for (const std::string& name : option.get_lnames()) reference.names.push_back("--" + name);
  reference.value_count = option.get_items_expected_max() == 0 ? 0 : std::max(1, option.get_items_expected_min());
  if (reference.value_count > 0) {
    const std::string type = option.get_type_name();
    // Behind the name CLI11 writes the range of a checked number.
    reference.value = type.substr(0, type.find(':'));
    reference.choices = choices_of(option);
    reference.repeatable = option.get_items_expected_max() > reference.value_count;
  }
  reference.required = option.get_required();
  reference.description = option.get_description();
  reference.group = option.get_group();
  reference.environment = option.get_envname();
  return reference;
}

/// Sorts what an app takes into options and positional arguments.
void describe_options(CLI::App& app, std::vector<OptionReference>& options, std::vector<OptionReference>* positionals) {
  for (CLI::Option* option : app.get_options([](const CLI::Option*) { return true; })) {
    if (option->get_group().empty()) continue;
    OptionReference reference = describe_option(*option);
    if (!reference.names.empty()) {
      options.push_back(std::move(reference));
    } else if (positionals != nullptr) {
      reference.value = option->get_name(true);
      positionals->push_back(std::move(reference));
    }
  }
}

}  // namespace

ProgramReference describe(CLI::App& app) {
  ProgramReference program = {app.get_name(), app.get_description(), app.get_footer(), {}, {}};
  describe_options(app, program.options, nullptr);
  for (CLI::App* command : app.get_subcommands([](const CLI::App*) { return true; })) {
    if (command->get_group().empty()) continue;
    CommandReference reference = {command->get_name(), command->get_description(), command->get_footer(), {}, {}};
    describe_options(*command, reference.options, &reference.positionals);
    program.commands.push_back(std::move(reference));
  }
  return program;
}

}  // namespace treble::cli
