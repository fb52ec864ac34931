#include "config_file.h"

#include <algorithm>
#include <fstream>
#include <vector>

#include "api/spelling.h"
#include "fail.h"

namespace treble::cli {

namespace {

/// "max_batch_tokens" and "max-batch-tokens" alike.
std::string to_flag(std::string key) {
  std::replace(key.begin(), key.end(), '_', '-');
  return "--" + key;
}

std::string hint(const CLI::App& command, const std::string& key) {
  std::vector<std::string> names;
  for (const CLI::Option* option : command.get_options()) {
    for (const std::string& name : option->get_lnames()) names.push_back(name);
  }
  const std::string nearest = server::nearest_name(key, names);
  return nearest.empty() ? "" : fmt::format("; did you mean {}?", nearest);
}

void apply_item(CLI::App& command, const CLI::ConfigItem& item, const std::string& path) {
  if (item.name == "++" || item.name == "--") return;  // CLI11's marks around a section
  CLI::Option* const option = command.get_option_no_throw(to_flag(item.name));
  if (!item.parents.empty() || option == nullptr || item.name == "config" || item.name == "help") {
    fail(ErrorCode::invalid_argument, "{}: there is no option {}{}", path, item.fullname(), hint(command, item.name));
  }
  if (option->count() > 0) return;
  try {
    if (option->get_items_expected_max() == 0) {
      option->add_result(option->get_flag_value(item.name, item.inputs.empty() ? "true" : item.inputs.front()));
    } else {
      option->add_result(item.inputs);
    }
    option->run_callback();
  } catch (const CLI::ParseError& error) {
    fail(ErrorCode::invalid_argument, "{}: {}: {}", path, item.name, error.what());
  }
}

}  // namespace

void apply_config_file(CLI::App& command, const std::string& path) {
  std::ifstream file(path);
  if (!file) fail_errno("read", path);
  std::vector<CLI::ConfigItem> items;
  try {
    items = CLI::ConfigTOML().from_config(file);
  } catch (const CLI::Error& error) {
    fail(ErrorCode::invalid_argument, "{}: {}", path, error.what());
  }
  if (file.bad()) fail_errno("read", path);
  for (const CLI::ConfigItem& item : items) apply_item(command, item, path);
}

}  // namespace treble::cli
