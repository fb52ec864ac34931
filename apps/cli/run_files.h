// The TREC runs of a sweep as files: one for each setting.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "treble/sweep.h"
#include "treble/whole_file.h"

namespace treble::cli {

/// [setting]: `file` with the setting before its extension, "run.0.8+chunk-mean-256.trec". What does not belong in a
/// name is a hyphen; names that are then equal are numbered.
std::vector<std::filesystem::path> run_paths(const std::filesystem::path& file,
                                             const std::vector<SweepSetting>& settings);

/// Writes the report's rankings to those of `paths` that belong to its settings, which are some of `settings`; says so
/// on stderr. Throws what write_whole_file throws.
void write_runs(const SweepReport& report, const std::vector<SweepSetting>& settings,
                const std::vector<std::filesystem::path>& paths, Existing existing);

}  // namespace treble::cli
