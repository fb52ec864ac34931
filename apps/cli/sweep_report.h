// The outcome of a sweep, in words, as a table and as JSON.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "evaluation/held_out.h"
#include "output/metadata.h"
#include "sweep_task.h"

namespace treble::cli {

struct SweepBucket {
  std::int64_t min_tokens = 0;
  std::int64_t max_tokens = 0;
  std::size_t items = 0;
  std::vector<SettingGain> settings;  ///< without intervals when the items are too few for them
};

struct SweepReport {
  std::string model;
  Json provenance = {};                   ///< how the untouched model's vectors were made
  Json form_provenance = Json::object();  ///< by name: those of other forms of the model
  std::string data;
  std::string metric;
  std::string side;
  bool labelled = true;
  std::size_t items = 0;
  int folds = 0;
  std::uint64_t seed = 0;
  std::vector<SweepSetting> settings;  ///< the first is the untouched model
  std::vector<std::string> left_out;   ///< settings that could not be tried, and why
  HeldOutResult result;
  std::vector<SweepBucket> buckets;
  std::vector<std::vector<std::pair<std::string, double>>> others;  ///< [setting]
  /// [setting]: share of the first ten places kept, of all and of items whose text is short; nothing for pairs.
  std::vector<std::optional<double>> overlap;
  std::vector<std::optional<double>> short_overlap;
};

/// Asks the task, which has every one of `settings`, for everything; items of up to `edges` tokens form the buckets.
/// model, data, side, labelled and left_out are left to the caller.
SweepReport make_report(const SweepTask& task, std::vector<SweepSetting> settings,
                        const std::vector<std::int64_t>& edges, const HeldOutOptions& options);

std::string sweep_verdict(const SweepReport& report);
std::string sweep_table(const SweepReport& report);
std::string sweep_json(const SweepReport& report);

}  // namespace treble::cli
