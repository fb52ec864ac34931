#include "treble/evaluation.h"

#include <algorithm>
#include <array>
#include <iterator>
#include <map>
#include <numeric>
#include <random>

#include "base/fail.h"
#include "evaluation/resampling.h"

namespace treble {

using namespace internal;

namespace {

/// Folds of a deal unless the caller says.
constexpr int kFolds = 5;

/// What is chosen by and judged by.
struct DealMetrics {
  ItemMetric choosing;
  ItemMetric judging;
};

std::mt19937_64 generator_of(const HeldOutOptions& options, int deal) {
  return std::mt19937_64(options.seed + 0x9E3779B97F4A7C15ULL * static_cast<std::uint64_t>(deal));
}

template <typename Element>
void shuffle(std::vector<Element>& elements, std::mt19937_64 generator) {
  for (std::size_t left = elements.size(); left > 1; --left) {
    std::swap(elements[left - 1], elements[generator() % left]);
  }
}

Items indices_below(std::size_t count) {
  Items indices(count);
  std::iota(indices.begin(), indices.end(), 0);
  return indices;
}

/// A half of the metric's runs each, where it has any.
DealMetrics metrics_of_deal(const ItemMetric& metric, const HeldOutOptions& options, int deal) {
  if (options.runs.count == 0) return {metric, metric};
  Items runs = indices_below(options.runs.count);
  shuffle(runs, generator_of(options, deal));
  const auto middle = runs.begin() + static_cast<std::ptrdiff_t>(runs.size() / 2);
  const auto over = [&options](Items some) {
    return [&options, some = std::move(some)](std::size_t setting, std::span<const std::size_t> items) {
      return options.runs.metric(setting, items, some);
    };
  };
  return {over({runs.begin(), middle}), over({middle, runs.end()})};
}

std::vector<SettingGain> gains_on(std::span<const std::size_t> items, std::size_t settings, const ItemMetric& metric) {
  const auto values = values_on(items, settings, metric);
  if (!values) {
    fail(ErrorCode::invalid_argument,
         "the metric is not defined on these {} items, where labels or scores are all equal", items.size());
  }
  std::vector<SettingGain> result;
  for (const double value : *values) {
    const double gain = value - values->front();
    result.push_back({value, {gain, gain, gain}});
  }
  return result;
}

/// `half_width` and `extension` in units of `spread`.
void widen(Interval& interval, double spread, double half_width, double extension) {
  interval.low -= (half_width - std::min(extension, 0.0)) * spread;
  interval.high += (half_width + std::max(extension, 0.0)) * spread;
}

void add_intervals(std::vector<SettingGain>& gains, const Deviations& deviations) {
  std::vector<Pair> all;
  for (std::size_t s = 1; s < gains.size(); ++s) all.emplace_back(s, 0);
  const double critical = deviations.critical(all);
  for (const Pair& pair : all) {
    const Deviation deviation = deviations.of(pair);
    widen(gains[pair.first].gain, deviation.spread, critical, deviation.extension(critical));
  }
}

/// What the first of the settings that are best on some items is.
std::size_t best_of(std::span<const std::size_t> settings, const Values& values) {
  return *std::max_element(settings.begin(), settings.end(),
                           [&](std::size_t a, std::size_t b) { return values[a] < values[b]; });
}

/// Chooses on the other folds and adds the gain on `fold`, by its share of the items. False when the metric is not
/// defined.
bool judge_fold(std::span<const std::size_t> fold, std::span<const std::size_t> others, std::size_t settings,
                const DealMetrics& metrics, std::span<const HeldOutContrast> contrasts,
                std::vector<HeldOutGain>& gains) {
  const auto elsewhere = values_on(others, settings, metrics.choosing);
  if (!elsewhere) return false;
  const double weight = static_cast<double>(fold.size()) / static_cast<double>(fold.size() + others.size());
  std::map<std::size_t, std::optional<double>> here;
  const auto value_here = [&](std::size_t setting) {
    const auto [entry, added] = here.try_emplace(setting);
    if (added) entry->second = metrics.judging(setting, fold);
    return entry->second;
  };
  for (std::size_t c = 0; c < contrasts.size(); ++c) {
    const std::size_t best = best_of(contrasts[c].candidates, *elsewhere);
    const std::size_t other = best_of(contrasts[c].against, *elsewhere);
    const auto value = value_here(best);
    const auto baseline = value_here(other);
    if (!value || !baseline) return false;
    gains[c].chosen.push_back(best);
    gains[c].against.push_back(other);
    gains[c].gain.value += (*value - *baseline) * weight;
  }
  return true;
}

/// [contrast]: mean over folds; nothing when the metric is not defined on one.
std::optional<std::vector<HeldOutGain>> judge_folds(const std::vector<Items>& folds, std::size_t settings,
                                                    const DealMetrics& metrics,
                                                    std::span<const HeldOutContrast> contrasts) {
  std::vector<HeldOutGain> gains(contrasts.size());
  for (std::size_t fold = 0; fold < folds.size(); ++fold) {
    Items others;
    for (std::size_t other = 0; other < folds.size(); ++other) {
      if (other != fold) others.insert(others.end(), folds[other].begin(), folds[other].end());
    }
    if (!judge_fold(folds[fold], others, settings, metrics, contrasts, gains)) return std::nullopt;
  }
  return gains;
}

/// [contrast]: what was chosen, and the gain without its interval.
std::vector<HeldOutGain> judge_deals(std::size_t items, std::size_t settings, const ItemMetric& metric,
                                     const HeldOutOptions& options, std::span<const HeldOutContrast> contrasts) {
  Redraws redraws(options.deals, "folds");
  std::vector<HeldOutGain> gains(contrasts.size());
  int judged = 0;
  for (int deal = 0; judged < options.deals; ++deal) {
    const auto found =
        judge_folds(split_folds(items, options, deal), settings, metrics_of_deal(metric, options, deal), contrasts);
    if (!found) {
      redraws.count();
      continue;
    }
    ++judged;
    for (std::size_t c = 0; c < contrasts.size(); ++c) {
      const HeldOutGain& one = (*found)[c];
      gains[c].gain.value += one.gain.value;
      gains[c].chosen.insert(gains[c].chosen.end(), one.chosen.begin(), one.chosen.end());
      gains[c].against.insert(gains[c].against.end(), one.against.begin(), one.against.end());
    }
  }
  for (HeldOutGain& one : gains) {
    one.gain.value /= options.deals;
    one.gain.low = one.gain.high = one.gain.value;
  }
  return gains;
}

std::vector<Pair> pairs_of(std::span<const std::size_t> settings, std::span<const std::size_t> others) {
  std::vector<Pair> pairs;
  for (const std::size_t setting : settings) {
    for (const std::size_t other : others) {
      if (setting != other) pairs.emplace_back(setting, other);
    }
  }
  return pairs;
}

/// Of a choice: those that were made, and those that chance could have made.
std::vector<Pair> plausible_pairs(const Deviations& deviations, const HeldOutContrast& contrast,
                                  const HeldOutGain& made) {
  const auto with_chosen = [&](const std::vector<std::size_t>& settings, const std::vector<std::size_t>& chosen) {
    auto contenders = deviations.contenders(settings);
    contenders.insert(contenders.end(), chosen.begin(), chosen.end());
    std::sort(contenders.begin(), contenders.end());
    contenders.erase(std::unique(contenders.begin(), contenders.end()), contenders.end());
    return contenders;
  };
  auto pairs = pairs_of(with_chosen(contrast.candidates, made.chosen), with_chosen(contrast.against, made.against));
  return pairs.empty() ? pairs_of(contrast.candidates, contrast.against) : pairs;
}

/// The interval of a held-out gain, and the smallest gain that could have been shown.
void judge_certainty(const Deviations& deviations, const std::vector<Pair>& plausible, double critical,
                     HeldOutGain& result) {
  std::map<Pair, std::size_t> made;
  for (std::size_t fold = 0; fold < result.chosen.size(); ++fold) ++made[{result.chosen[fold], result.against[fold]}];
  double spread = 0;
  double extension = 0;
  bool any = false;
  for (const auto& [pair, count] : made) {
    if (pair.first == pair.second) continue;
    any = true;
    const Deviation deviation = deviations.of(pair);
    spread = std::max(spread, deviation.spread);
    extension += deviation.extension(critical) * static_cast<double>(count) / static_cast<double>(result.chosen.size());
  }
  if (any) {
    widen(result.gain, spread, critical, extension);
  } else {
    for (const Pair& pair : plausible) spread = std::max(spread, deviations.of(pair).spread);
  }
  result.detectable = (critical - std::min(extension, 0.0)) * spread;
}

/// The first gain has an interval of its own; those of the others hold at once.
void judge_certainties(const Deviations& deviations, std::span<const HeldOutContrast> contrasts,
                       std::vector<HeldOutGain>& gains) {
  std::vector<std::vector<Pair>> plausible;
  std::vector<Pair> others;
  for (std::size_t c = 0; c < contrasts.size(); ++c) {
    plausible.push_back(plausible_pairs(deviations, contrasts[c], gains[c]));
    if (c > 0) others.insert(others.end(), plausible[c].begin(), plausible[c].end());
  }
  judge_certainty(deviations, plausible.front(), deviations.critical(plausible.front()), gains.front());
  if (others.empty()) return;
  const double critical = deviations.critical(others);
  for (std::size_t c = 1; c < contrasts.size(); ++c) judge_certainty(deviations, plausible[c], critical, gains[c]);
}

/// The main question before the others.
std::vector<HeldOutContrast> with_main(std::size_t settings, const std::vector<HeldOutContrast>& contrasts) {
  std::vector<HeldOutContrast> all = {{indices_below(settings), {0}}};
  for (const HeldOutContrast& contrast : contrasts) {
    for (const auto* side : {&contrast.candidates, &contrast.against}) {
      if (!side->empty() && *std::max_element(side->begin(), side->end()) < settings) continue;
      fail(ErrorCode::invalid_argument, "a contrast has no setting on one side, or one that is not there: there are {}",
           settings);
    }
    all.push_back(contrast);
  }
  return all;
}

}  // namespace

std::vector<SettingGain> compare_settings(std::span<const std::size_t> items, std::size_t settings,
                                          const ItemMetric& metric, const HeldOutOptions& options) {
  std::vector<SettingGain> result = gains_on(items, settings, metric);
  if (options.resamples == 0 || settings < 2) return result;
  add_intervals(result, Deviations(units_of(items, options.groups), metric, result, options));
  return result;
}

std::vector<std::vector<std::size_t>> split_folds(std::size_t items, const HeldOutOptions& options, int deal) {
  std::vector<Items> units = units_of(items, options.groups);
  const auto half = static_cast<int>(std::min<std::size_t>(units.size() / 2, kFolds));
  const int count = options.folds == 0 ? std::max(2, half) : options.folds;
  if (units.size() < 2 * static_cast<std::size_t>(count)) {
    fail(ErrorCode::invalid_argument, "{} {} cannot be divided into {} folds of at least 2; give more data{}",
         units.size(), options.groups.empty() ? "items" : "groups of items", count,
         options.groups.empty() ? "" : ", or groups that hold less of it");
  }
  shuffle(units, generator_of(options, deal));
  // Large groups first, each to the fold that has the fewest items: folds of nearly one size.
  std::stable_sort(units.begin(), units.end(), [](const Items& a, const Items& b) { return a.size() > b.size(); });
  std::vector<Items> folds(static_cast<std::size_t>(count));
  for (const Items& unit : units) {
    Items& smallest = *std::min_element(folds.begin(), folds.end(),
                                        [](const Items& a, const Items& b) { return a.size() < b.size(); });
    smallest.insert(smallest.end(), unit.begin(), unit.end());
  }
  return folds;
}

HeldOutResult evaluate_held_out(std::size_t items, std::size_t settings, const ItemMetric& metric,
                                const HeldOutOptions& options, const std::vector<HeldOutContrast>& contrasts) {
  if (options.folds < 0 || options.folds == 1 || options.deals < 1 || settings == 0) {
    fail(ErrorCode::invalid_argument,
         "a held-out judgement needs at least 2 folds, 1 deal and 1 setting, got {}, {} and {}", options.folds,
         options.deals, settings);
  }
  if (!options.groups.empty() && options.groups.size() != items) {
    fail(ErrorCode::invalid_argument, "there are {} items, but groups for {}", items, options.groups.size());
  }
  if (options.runs.count == 1 || (options.runs.count > 0) != static_cast<bool>(options.runs.metric)) {
    fail(ErrorCode::invalid_argument,
         "a metric of runs needs at least 2, to choose by some and judge by the others, and their metric; got {}{}",
         options.runs.count, options.runs.metric ? "" : " without one");
  }
  const auto all = with_main(settings, contrasts);
  std::vector<HeldOutGain> gains = judge_deals(items, settings, metric, options, all);
  HeldOutResult result;
  result.deals = options.deals;
  result.folds = static_cast<int>(gains.front().chosen.size()) / options.deals;
  const std::vector<Items> units = units_of(items, options.groups);
  result.units = units.size();
  result.settings = gains_on(indices_below(items), settings, metric);
  if (options.resamples > 0 && settings > 1) {
    const Deviations deviations(units, metric, result.settings, options);
    add_intervals(result.settings, deviations);
    judge_certainties(deviations, all, gains);
  }
  result.chosen = std::move(gains.front().chosen);
  result.gain = gains.front().gain;
  result.detectable = gains.front().detectable;
  result.contrasts.assign(std::make_move_iterator(gains.begin() + 1), std::make_move_iterator(gains.end()));
  return result;
}

Benefit benefit_of(const HeldOutResult& result) {
  if (!result.gain.has_width()) return Benefit::none;
  if (result.gain.low > 0) return Benefit::helps;
  if (result.gain.high < 0) return Benefit::harms;
  return Benefit::none;
}

std::string to_string(Benefit benefit) {
  constexpr std::array<const char*, 3> kNames = {"none", "helps", "harms"};
  return kNames[static_cast<std::size_t>(benefit)];
}

}  // namespace treble
