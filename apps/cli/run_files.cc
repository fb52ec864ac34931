#include "run_files.h"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>

#include "standard_streams.h"

namespace treble::cli {

namespace {

constexpr std::string_view kInFileNames = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._+,-";

std::string file_part(const SweepSetting& setting) {
  std::string name = run_tag(setting);
  std::replace_if(name.begin(), name.end(), [](char c) { return kInFileNames.find(c) == kInFileNames.npos; }, '-');
  return name;
}

}  // namespace

std::vector<std::filesystem::path> run_paths(const std::filesystem::path& file,
                                             const std::vector<SweepSetting>& settings) {
  std::vector<std::filesystem::path> paths;
  for (const SweepSetting& setting : settings) {
    std::filesystem::path path;
    for (int number = 1; path.empty() || std::find(paths.begin(), paths.end(), path) != paths.end(); ++number) {
      const std::string again = number > 1 ? fmt::format("-{}", number) : std::string();
      path = file.parent_path() /
             fmt::format("{}.{}{}{}", file.stem().string(), file_part(setting), again, file.extension().string());
    }
    paths.push_back(std::move(path));
  }
  return paths;
}

void write_runs(const SweepReport& report, const std::vector<SweepSetting>& settings,
                const std::vector<std::filesystem::path>& paths, Existing existing) {
  for (std::size_t s = 0; s < report.settings.size(); ++s) {
    const auto same = [&](const SweepSetting& one) { return one.name() == report.settings[s].name(); };
    const auto place = std::find_if(settings.begin(), settings.end(), same) - settings.begin();
    write_whole_file(paths[static_cast<std::size_t>(place)], trec_run(report, s), existing);
  }
  say("wrote {} runs, from {} on\n", report.settings.size(), paths.front().string());
}

}  // namespace treble::cli
