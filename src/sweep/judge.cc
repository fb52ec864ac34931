#include "sweep/judge.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <utility>

#include "sweep/axes.h"
#include "sweep/task_vectors.h"

namespace treble::internal {

namespace {

constexpr std::int64_t kShortTokens = 64;
/// A change in proportion to less is one in proportion to chance.
constexpr double kMinForChange = 0.01;

std::vector<std::size_t> items_between(const SweepTask& task, std::int64_t min_tokens, std::int64_t max_tokens) {
  std::vector<std::size_t> items;
  for (std::size_t item = 0; item < task.items(); ++item) {
    if (task.lengths()[item] >= min_tokens && task.lengths()[item] <= max_tokens) items.push_back(item);
  }
  return items;
}

std::vector<SweepBucket> make_buckets(const SweepTask& task, std::size_t settings, const ItemMetric& metric,
                                      const SweepOptions& options, const HeldOutOptions& held_out) {
  HeldOutOptions values_only = held_out;
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
      if (defined) bucket.settings = compare_settings(items, settings, metric, enough ? held_out : values_only);
    }
    first = end + 1;
  }
  return buckets;
}

std::string points(double value) { return fmt::format("{:+.2f}", 100 * value); }

/// "temperature 0.8", "state window:512", "whitening".
std::string title_of(const SweepReport& report, std::size_t index) {
  const SweepSetting& setting = report.settings[index];
  if (setting.post || setting.chunks || setting.max_length || !setting.variant.empty()) return setting.name();
  if (!setting.state.is_identity()) return "state " + setting.name();
  if (index == 0 && tries_states(report)) return "the untouched model";
  return "temperature " + setting.name();
}

/// "chosen in 71 of 100 folds; else temperature 1 (29)".
std::string choices(const SweepReport& report) {
  std::map<std::size_t, std::size_t> counts;
  for (const std::size_t setting : report.held_out.chosen) ++counts[setting];
  std::string text = fmt::format("chosen in {} of {} folds", counts[report.winner], report.held_out.chosen.size());
  std::string separator = "; else ";
  for (const auto& [setting, count] : counts) {
    if (setting == report.winner) continue;
    text += fmt::format("{}{} ({})", std::exchange(separator, ", "), title_of(report, setting), count);
  }
  return text;
}

std::size_t most_chosen(const std::vector<std::size_t>& chosen) {
  std::map<std::size_t, std::size_t> counts;
  for (const std::size_t setting : chosen) ++counts[setting];
  return std::max_element(counts.begin(), counts.end(),
                          [](const auto& a, const auto& b) { return a.second < b.second; })
      ->first;
}

/// [setting]: items whose score is higher, and lower, than under the untouched model.
std::vector<std::pair<std::size_t, std::size_t>> count_better_and_worse(const SweepReport& report) {
  std::vector<std::pair<std::size_t, std::size_t>> counts(report.settings.size());
  const auto& before = report.scores.front();
  for (std::size_t s = 0; s < counts.size(); ++s) {
    for (std::size_t item = 0; item < before.size(); ++item) {
      counts[s].first += report.scores[s][item] > before[item] ? 1 : 0;
      counts[s].second += report.scores[s][item] < before[item] ? 1 : 0;
    }
  }
  return counts;
}

/// "from 0.6512 to 0.6596; better for 120 of 300 items, worse for 80".
std::string in_proportion(const SweepReport& report) {
  const double before = report.held_out.settings.front().value;
  const double after = report.held_out.settings[report.winner].value;
  std::string text = fmt::format("On all data {:.4f} instead of {:.4f}", after, before);
  if (const auto change = relative_change(after, before)) text += fmt::format(" ({:+.1f} %)", 100 * *change);
  if (!report.better_and_worse.empty()) {
    const auto& [better, worse] = report.better_and_worse[report.winner];
    text += fmt::format("; better for {} of {} items, worse for {}", better, report.items, worse);
  }
  return text + ".";
}

}  // namespace

std::optional<double> relative_change(double after, double before) {
  if (before < kMinForChange) return std::nullopt;
  return after / before - 1;
}

std::string interval_text(const Interval& interval) {
  if (!interval.has_width()) return points(interval.value) + " [no variance]";
  return fmt::format("{} [{}, {}]", points(interval.value), points(interval.low), points(interval.high));
}

void judge_task(const SweepTask& task, const SweepOptions& options, const std::function<void()>& check_stop,
                SweepReport& report) {
  report.metric = task.metric_name();
  report.items = task.items();
  report.documents_read = task.reading().documents;
  report.queries_read = task.reading().queries;
  report.seed = options.held_out.seed;
  report.resamples = options.held_out.resamples;
  const std::size_t count = report.settings.size();
  const ItemMetric metric = [&](std::size_t setting, std::span<const std::size_t> items) {
    check_stop();
    return task.metric(setting, items);
  };
  HeldOutOptions held_out = options.held_out;
  held_out.runs = task.runs();
  if (held_out.runs.count > 0) {
    held_out.runs.metric = [&check_stop, of_runs = std::move(held_out.runs.metric)](std::size_t setting,
                                                                                    std::span<const std::size_t> items,
                                                                                    std::span<const std::size_t> runs) {
      check_stop();
      return of_runs(setting, items, runs);
    };
  }
  report.axes = find_axes(report.settings);
  report.held_out =
      evaluate_held_out(task.items(), count, metric, held_out, contrasts_of(report.axes, report.settings));
  fill_axes(std::exchange(report.held_out.contrasts, {}), report.axes);
  report.winner = most_chosen(report.held_out.chosen);
  report.buckets = make_buckets(task, count, metric, options, held_out);
  const auto all = indices_up_to(task.items());
  const auto brief = items_between(task, 0, kShortTokens);
  for (const std::size_t item : all) report.each.push_back({task.item_id(item), task.lengths()[item]});
  for (std::size_t s = 0; s < count; ++s) {
    auto& scores = report.scores.emplace_back();
    for (const std::size_t item : all) scores.push_back(task.item_score(s, item));
    report.other_metrics.push_back(task.other_metrics(s));
    report.overlap.push_back(task.overlap(s, all));
    report.short_overlap.push_back(brief.empty() ? std::nullopt : task.overlap(s, brief));
  }
  if (task.scores_are_metric()) report.better_and_worse = count_better_and_worse(report);
  report.verdict = verdict_of(report);
}

bool tries_states(const SweepReport& report) {
  return std::any_of(report.settings.begin(), report.settings.end(),
                     [](const SweepSetting& setting) { return !setting.state.is_identity(); });
}

std::string verdict_of(const SweepReport& report) {
  std::string text = report.labelled
                         ? ""
                         : "A proxy without labels (first halves of texts finding their second halves), so no proof: ";
  const HeldOutResult& result = report.held_out;
  const std::string title = title_of(report, report.winner);
  const std::string numbers =
      fmt::format("{} points of {} on held-out data (95 % interval)", interval_text(result.gain), report.metric);
  switch (benefit_of(result)) {
    case Benefit::helps:
      text += fmt::format("{} helps: {}, {}. {}", title, numbers, choices(report), in_proportion(report));
      break;
    case Benefit::harms:
      text += fmt::format("Choosing does harm: {}, {} being {}. Stay with the untouched model.", numbers, title,
                          choices(report));
      break;
    case Benefit::none:
      text += fmt::format("No setting was reliably better than the untouched model: {}, {} being {}. Stay with it.",
                          numbers, title, choices(report));
      if (result.detectable > 0) {
        text +=
            fmt::format(" A gain below {:.2f} points could not have been shown on this data.", 100 * result.detectable);
      }
      break;
  }
  if (!result.gain.has_width()) {
    text += report.winner == 0 ? " The gain is 0 because nothing was chosen, not because it was measured to be 0."
                               : " The interval has no width, as no resample of the items changes the gain: no proof.";
  }
  return text + fmt::format(" {} items, {} settings.", report.items, report.settings.size());
}

}  // namespace treble::internal
