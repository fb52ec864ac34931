#include "adapters/module_matcher.h"

#include <algorithm>
#include <boost/regex.hpp>
#include <cmath>
#include <stdexcept>

#include "base/fail_about.h"

namespace treble::internal {

namespace {

/// Whether `expression` matches from the beginning of `path` to its end. Boost gives up where the effort is out of
/// proportion, so no expression hangs.
bool matches_whole(const PeftConfig& config, const std::string& expression, const std::string& path,
                   boost::smatch* groups = nullptr) {
  try {
    boost::smatch found;
    const bool matched = boost::regex_match(path, found, boost::regex(expression, boost::regex::perl));
    if (groups != nullptr) groups->swap(found);
    return matched;
  } catch (const std::runtime_error& error) {
    fail_file(config.file, ErrorCode::unsupported,
              R"(the expression "{:.200}" cannot be matched with "{:.100}": {:.200})", expression, path, error.what());
  }
}

bool ends_in(std::string_view path, std::string_view name) {
  if (path == name) return true;
  return path.size() > name.size() && path.ends_with(name) && path[path.size() - name.size() - 1] == '.';
}

bool names_path(const std::vector<std::string>& names, std::string_view path) {
  return std::any_of(names.begin(), names.end(), [&](const std::string& name) { return ends_in(path, name); });
}

/// The number of the first expression that fits; `fallback` where none does.
template <typename Value>
Value first_match(const PeftConfig& config, const std::vector<std::pair<std::string, Value>>& pattern,
                  const std::string& path, Value fallback) {
  for (const auto& [name, value] : pattern) {
    if (matches_whole(config, R"((.*\.)?()" + name + ")", path)) return value;
  }
  return fallback;
}

}  // namespace

bool ModuleMatcher::is_excluded(const std::string& path) const {
  if (const auto* expression = std::get_if<std::string>(&config_.exclude_modules)) {
    return matches_whole(config_, *expression, path);
  }
  return names_path(std::get<std::vector<std::string>>(config_.exclude_modules), path);
}

bool ModuleMatcher::is_in_layers(const std::string& path) const {
  const auto& layers = config_.layers_to_transform;
  if (layers.empty()) return true;
  std::vector<std::string> patterns = {R"(.*?\.[^.]*\.(\d+)\..*)"};
  if (!config_.layers_pattern.empty()) {
    patterns.clear();
    for (const std::string& name : config_.layers_pattern) {
      patterns.push_back(R"((?:|.*?\.)(?:)" + name + R"()\.(\d+)\..*)");
    }
  }
  for (const std::string& pattern : patterns) {
    boost::smatch groups;
    if (!matches_whole(config_, pattern, path, &groups)) continue;
    // The expression of a pattern may have groups of its own; the number is the last.
    const std::string number = groups[static_cast<int>(groups.size()) - 1].str();
    constexpr std::size_t kDigits = 9;
    return number.size() <= kDigits && std::find(layers.begin(), layers.end(), std::stoll(number)) != layers.end();
  }
  return false;
}

bool ModuleMatcher::is_target(const std::string& path) const {
  if (is_excluded(path)) return false;
  for (const std::string& name : config_.modules_to_save) {
    if (matches_whole(config_, "(|.*\\.)" + name + "(|\\..*)", path)) return false;
  }
  if (const auto* expression = std::get_if<std::string>(&config_.target_modules)) {
    // PEFT's word for every Linear, which it replaces by their paths when it saves; the file then says which.
    return *expression == "all-linear" || matches_whole(config_, *expression, path);
  }
  const auto& names = std::get<std::vector<std::string>>(config_.target_modules);
  // A path in full needs no layer.
  if (std::find(names.begin(), names.end(), path) != names.end()) return true;
  return names_path(names, path) && is_in_layers(path);
}

bool ModuleMatcher::is_saved(std::string_view path) const {
  for (std::string_view holder = path; !holder.empty();) {
    for (const std::string& name : config_.modules_to_save) {
      if (holder.ends_with(name)) return true;
    }
    const auto dot = holder.rfind('.');
    holder = dot == std::string_view::npos ? std::string_view() : holder.substr(0, dot);
  }
  return false;
}

std::int64_t ModuleMatcher::rank(const std::string& path) const {
  return first_match(config_, config_.rank_pattern, path, config_.rank);
}

double ModuleMatcher::scale(const std::string& path) const {
  const auto ranks = static_cast<double>(rank(path));
  const double alpha = first_match(config_, config_.alpha_pattern, path, config_.alpha);
  return alpha / (config_.rank_stabilized ? std::sqrt(ranks) : ranks);
}

}  // namespace treble::internal
