// The outcome of a sweep, in words, as a table and as JSON.
#pragma once

#include <cstdint>
#include <functional>
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
  /// Without intervals when the items are too few for them; empty where the metric is not defined, its labels all
  /// alike.
  std::vector<SettingGain> settings;
};

struct SweepReport {
  std::string model;
  Json provenance = {};                   ///< how the untouched model's vectors were made
  Json form_provenance = Json::object();  ///< by name: those of other forms of the model
  std::string data;
  std::string metric;
  std::string side;
  std::string similarity;
  SweepPrompt query_prompt;  ///< as used: the text always, the name where it has one
  SweepPrompt document_prompt;
  bool ignores_identical_ids = false;
  bool labelled = true;
  std::int64_t queries_apart = 0;  ///< with nothing to find, and so among no items
  std::vector<std::string> notes;  ///< on the data, for whoever relies on it
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

/// What stands before texts: `prompt`, else what the options of the run or the model say.
SweepPrompt prompt_in_force(const SweepPrompt& prompt, const ModelInfo& model, const EncodeOptions& options);

struct JudgeOptions {
  std::vector<std::int64_t> edges;  ///< items of up to so many tokens form the buckets
  HeldOutOptions held_out;
  std::function<void()> check_stop;  ///< called often; throws to stop
};

/// Asks the task, which has every one of report.settings, for metric, items, folds, seed and all that is measured.
/// Throws Error{invalid_argument} when the metric is not defined on some fold.
void fill_report(SweepReport& report, const SweepTask& task, const JudgeOptions& options);

std::string sweep_verdict(const SweepReport& report);
std::string sweep_table(const SweepReport& report);
std::string sweep_json(const SweepReport& report);

}  // namespace treble::cli
