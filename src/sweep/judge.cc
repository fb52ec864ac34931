#include "sweep/judge.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "sweep/task_vectors.h"

namespace treble::internal {

namespace {

constexpr std::int64_t kShortTokens = 64;

std::vector<std::size_t> items_between(const SweepTask& task, std::int64_t min_tokens, std::int64_t max_tokens) {
  std::vector<std::size_t> items;
  for (std::size_t item = 0; item < task.items(); ++item) {
    if (task.lengths()[item] >= min_tokens && task.lengths()[item] <= max_tokens) items.push_back(item);
  }
  return items;
}

std::vector<SweepBucket> make_buckets(const SweepTask& task, std::size_t settings, const ItemMetric& metric,
                                      const SweepOptions& options) {
  HeldOutOptions values_only = options.held_out;
  values_only.resamples = 0;
  std::vector<SweepBucket> buckets;
  std::int64_t first = 0;
  std::vector<std::int64_t> ends = options.bucket_edges;
  ends.push_back(*std::max_element(task.lengths().begin(), task.lengths().end()));
  for (const std::int64_t end : ends) {
    if (end < first) continue;
    const auto items = items_between(task, first, end);
    if (!items.empty()) {
      SweepBucket& bucket = buckets.emplace_back(SweepBucket{first, end, items.size(), {}});
      bool defined = true;
      for (std::size_t s = 0; s < settings; ++s) defined = defined && metric(s, items).has_value();
      const bool enough = items.size() >= kEnoughItems;
      if (defined) bucket.settings = compare_settings(items, settings, metric, enough ? options.held_out : values_only);
    }
    first = end + 1;
  }
  return buckets;
}

std::string points(double value) { return fmt::format("{:+.2f}", 100 * value); }

/// "temperature 0.8", "whitening".
std::string title_of(const SweepSetting& setting) {
  const bool only_temperature = !setting.post && !setting.chunks && setting.variant.empty();
  return only_temperature ? "temperature " + setting.name() : setting.name();
}

/// "temperature 0.8 in 3 of 5 folds, temperature 1 in 2 of 5 folds".
std::string choices(const SweepReport& report) {
  std::map<std::size_t, int> counts;
  for (const std::size_t setting : report.held_out.chosen) ++counts[setting];
  std::string text;
  for (const auto& [setting, count] : counts) {
    text += fmt::format("{}{} in {} of {} folds", text.empty() ? "" : ", ", title_of(report.settings[setting]), count,
                        report.folds);
  }
  return text;
}

}  // namespace

std::string interval_text(const Interval& interval) {
  if (!interval.has_width()) return points(interval.value) + " [no variance]";
  return fmt::format("{} [{}, {}]", points(interval.value), points(interval.low), points(interval.high));
}

void judge_task(const SweepTask& task, const SweepOptions& options, const std::function<void()>& check_stop,
                SweepReport& report) {
  report.metric = task.metric_name();
  report.items = task.items();
  report.folds = options.held_out.folds;
  report.seed = options.held_out.seed;
  const std::size_t count = report.settings.size();
  const ItemMetric metric = [&](std::size_t setting, std::span<const std::size_t> items) {
    check_stop();
    return task.metric(setting, items);
  };
  report.held_out = evaluate_held_out(task.items(), count, metric, options.held_out);
  report.buckets = make_buckets(task, count, metric, options);
  const auto all = indices_up_to(task.items());
  const auto brief = items_between(task, 0, kShortTokens);
  for (std::size_t s = 0; s < count; ++s) {
    report.other_metrics.push_back(task.other_metrics(s));
    report.overlap.push_back(task.overlap(s, all));
    report.short_overlap.push_back(brief.empty() ? std::nullopt : task.overlap(s, brief));
  }
  report.verdict = verdict_of(report);
}

std::string verdict_of(const SweepReport& report) {
  std::string text = report.labelled
                         ? ""
                         : "A proxy without labels (first halves of texts finding their second halves), so no proof: ";
  const Interval& gain = report.held_out.gain;
  const std::string numbers =
      fmt::format("{} points of {} on held-out data (95 % interval), the best elsewhere being {}", interval_text(gain),
                  report.metric, choices(report));
  switch (benefit_of(report.held_out)) {
    case Benefit::helps: text += "It helps: " + numbers + "."; break;
    case Benefit::harms: text += "It does harm: " + numbers + ". Stay with the untouched model."; break;
    case Benefit::none: text += "No benefit: " + numbers + ". Stay with the untouched model."; break;
  }
  if (!gain.has_width()) text += " The interval has no width, as no resample of the items changes the gain.";
  return text + fmt::format(" {} items, {} settings.", report.items, report.settings.size());
}

}  // namespace treble::internal
