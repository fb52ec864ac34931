#include "help_formatter.h"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <utility>

namespace treble::cli {

namespace {

constexpr std::size_t kDefaultWidth = 80;
constexpr std::size_t kMinWidth = 40;
constexpr std::size_t kMaxWidth = 100;
/// Where descriptions begin.
constexpr std::size_t kColumn = 24;
/// Between the name of a value and its range, as CLI11 writes it.
constexpr std::string_view kRange = ":INT in ";

/// Columns that text takes: code points, not bytes.
std::size_t columns(std::string_view text) {
  return static_cast<std::size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xC0U) != 0x80U; }));
}

void add_word(std::string_view word, std::size_t width, std::size_t indent, std::size_t& at, std::string& out) {
  if (at > indent && at + 1 + columns(word) > width) {
    out += '\n' + std::string(indent, ' ');
    at = indent;
  } else if (at > indent) {
    out += ' ';
    ++at;
  }
  out += word;
  at += columns(word);
}

}  // namespace

std::size_t help_width() {
  std::size_t width = 0;
  winsize size = {};
  if (const char* variable = std::getenv("COLUMNS"); variable != nullptr) {
    const std::string_view text(variable);
    std::from_chars(text.data(), text.data() + text.size(), width);
  } else if (::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0) {
    width = size.ws_col;
  }
  return std::clamp(width == 0 ? kDefaultWidth : width, kMinWidth, kMaxWidth);
}

std::string wrapped(std::string_view text, std::size_t width, std::size_t indent) {
  std::string out;
  std::size_t at = indent;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (line.empty() || line.front() == ' ') {
      out += fmt::format("{}{}\n", at > indent ? "\n" : "", line);
      at = indent;
      continue;
    }
    while (!line.empty()) {
      const std::size_t space = std::min(line.find(' '), line.size());
      if (space > 0) add_word(line.substr(0, space), width, indent, at, out);
      line.remove_prefix(std::min(space + 1, line.size()));
    }
  }
  return out;
}

std::string HelpFormatter::entry(const std::string& name, const std::string& description) const {
  std::string out = "  " + name;
  if (columns(out) + 2 > kColumn) {
    out += '\n' + std::string(kColumn, ' ');
  } else {
    out.append(kColumn - columns(out), ' ');
  }
  return out + wrapped(description, width_, kColumn) + '\n';
}

std::string HelpFormatter::make_help(const CLI::App* app, std::string name, CLI::AppFormatMode mode) const {
  // CLI11 separates groups by two lines.
  return CLI::detail::find_and_replace(CLI::Formatter::make_help(app, std::move(name), mode), "\n\n\n", "\n\n");
}

std::string HelpFormatter::make_option(const CLI::Option* option, bool is_positional) const {
  std::string name = make_option_name(option, is_positional);
  // A long name alone is aligned with the other long names.
  if (!is_positional && name.starts_with("--")) name = "   " + name;
  // What a negating flag stores, and the C++ type in a range, are of no use to people.
  name = CLI::detail::find_and_replace(name, "{false}", "");
  std::string description = option->get_description();
  const std::string type = option->get_type_name();
  const std::size_t range = type.find(kRange);
  if (option->get_type_size() != 0 && !type.empty()) name += " " + type.substr(0, range);
  if (range != std::string::npos) description += " (" + type.substr(range + kRange.size()) + ")";
  if (option->get_required()) description += " (required)";
  if (!option->get_envname().empty()) description += fmt::format(" [${}]", option->get_envname());
  return entry(name, description);
}

std::string HelpFormatter::make_subcommand(const CLI::App* command) const {
  return entry(command->get_name(), command->get_description());
}

std::string HelpFormatter::make_description(const CLI::App* app) const {
  return wrapped(app->get_description(), width_) + '\n';
}

std::string HelpFormatter::make_footer(const CLI::App* app) const { return wrapped(app->get_footer(), width_) + '\n'; }

}  // namespace treble::cli
