#include "process_usage.h"

#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>
#include <string>

namespace treble::load {

namespace {

/// utime and stime, which follow the name in parentheses as the 12th and 13th field.
double cpu_seconds(const std::filesystem::path& stat, std::string* name) {
  std::ifstream file(stat);
  const std::string text((std::istreambuf_iterator<char>(file)), {});
  const auto open = text.find('(');
  const auto close = text.rfind(')');
  if (open == std::string::npos || close == std::string::npos) return 0;
  if (name != nullptr) *name = text.substr(open + 1, close - open - 1);
  std::istringstream fields(text.substr(close + 1));
  std::string skipped;
  for (int i = 0; i < 11; ++i) fields >> skipped;
  double user = 0;
  double system = 0;
  fields >> user >> system;
  return (user + system) / static_cast<double>(::sysconf(_SC_CLK_TCK));
}

}  // namespace

ProcessUsage process_usage(pid_t process) {
  const std::filesystem::path folder = "/proc/" + std::to_string(process);
  ProcessUsage usage{.cpu_seconds = cpu_seconds(folder / "stat", nullptr), .io_cpu_seconds = 0, .rss = 0};
  std::error_code error;
  for (const auto& task : std::filesystem::directory_iterator(folder / "task", error)) {
    std::string name;
    const double seconds = cpu_seconds(task.path() / "stat", &name);
    if (name == "treble-http") usage.io_cpu_seconds += seconds;
  }
  std::ifstream memory(folder / "statm");
  std::int64_t size = 0;
  std::int64_t pages = 0;
  if (memory >> size >> pages) usage.rss = pages * ::sysconf(_SC_PAGESIZE);
  return usage;
}

}  // namespace treble::load
