#include "treble/evaluation.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <numeric>
#include <random>

#include "base/fail.h"
#include "base/percentile_interval.h"

namespace treble {

using namespace internal;

namespace {

using Items = std::vector<std::size_t>;
using Values = std::vector<double>;

/// Folds of a deal unless the caller says.
constexpr int kFolds = 5;
/// Rejected resamples or deals before the data is given up on, for each that was asked for.
constexpr int kMaxRedraws = 100;
/// A setting that is best in a smaller share of the resamples is not one that chance could have made best.
constexpr double kContenderShare = 0.01;

double percentile(std::vector<double> values, double fraction) {
  std::sort(values.begin(), values.end());
  const double place = fraction * static_cast<double>(values.size() - 1);
  const auto below = static_cast<std::size_t>(place);
  const std::size_t above = std::min(below + 1, values.size() - 1);
  return values[below] + (place - static_cast<double>(below)) * (values[above] - values[below]);
}

/// Items that hang together.
std::vector<Items> units_of(std::span<const std::size_t> items, const std::vector<std::size_t>& groups) {
  std::vector<Items> units;
  std::map<std::size_t, std::size_t> places;
  for (const std::size_t item : items) {
    if (groups.empty()) {
      units.push_back({item});
      continue;
    }
    const auto [place, added] = places.emplace(groups.at(item), units.size());
    if (added) units.emplace_back();
    units[place->second].push_back(item);
  }
  return units;
}

std::vector<Items> units_of(std::size_t items, const std::vector<std::size_t>& groups) {
  Items all(items);
  std::iota(all.begin(), all.end(), 0);
  return units_of(all, groups);
}

/// As many units as there are, drawn with replacement.
Items resample(const std::vector<Items>& units, std::mt19937_64& generator) {
  Items resampled;
  for (std::size_t draw = 0; draw < units.size(); ++draw) {
    const Items& unit = units[generator() % units.size()];
    resampled.insert(resampled.end(), unit.begin(), unit.end());
  }
  return resampled;
}

/// Counts rejected draws. Throws when there are too many.
class Redraws {
 public:
  Redraws(int wanted, const char* what) : max_(std::int64_t{kMaxRedraws} * wanted), what_(what) {}
  void count() {
    if (++count_ <= max_) return;
    fail(ErrorCode::invalid_argument,
         "so few items differ that the metric is not defined on most {} of them; give more data", what_);
  }

 private:
  std::int64_t max_;
  const char* what_;
  std::int64_t count_ = 0;
};

/// [setting]; nothing when the metric is not defined for one of them.
std::optional<Values> values_on(std::span<const std::size_t> items, std::size_t settings, const ItemMetric& metric) {
  Values values;
  values.reserve(settings);
  for (std::size_t setting = 0; setting < settings; ++setting) {
    const auto value = metric(setting, items);
    if (!value) return std::nullopt;
    values.push_back(*value);
  }
  return values;
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

double mean_cube(const Values& values) {
  double sum = 0;
  for (const double value : values) sum += value * value * value;
  return sum / static_cast<double>(values.size());
}

/// How far the gains over setting 0 deviate from the measured ones when units are resampled.
class Deviations {
 public:
  Deviations(const std::vector<Items>& units, const ItemMetric& metric, const std::vector<SettingGain>& measured,
             const HeldOutOptions& options)
      : units_(units.size()),
        by_setting_(measured.size()),
        spreads_(measured.size()),
        skews_(measured.size()),
        best_(measured.size()) {
    std::mt19937_64 generator(options.seed + 1);
    Redraws redraws(options.resamples, "resamples");
    for (int round = 0; round < options.resamples;) {
      const auto values = values_on(resample(units, generator), measured.size(), metric);
      if (!values) {
        redraws.count();
        continue;
      }
      ++round;
      add(*values, measured);
    }
    for (std::size_t s = 1; s < measured.size(); ++s) {
      spreads_[s] = std::sqrt(spread_about(by_setting_[s], 0));
      if (spreads_[s] > 0) skews_[s] = mean_cube(by_setting_[s]) / std::pow(spreads_[s], 3);
    }
  }

  double spread(std::size_t setting) const { return spreads_[setting]; }

  /// By how many spreads an interval of `critical` spreads to either side is extended upwards, or where negative
  /// downwards: Johnson's correction for skewed samples (Journal of the American Statistical Association 73, 1978), in
  /// which the estimate and its spread hang together. The other end stays, as the skew of few items is itself unsure.
  double extension(std::size_t setting, double critical) const {
    return std::clamp(skews_[setting] * (1 + 2 * critical * critical) / 6, -critical, critical);
  }

  /// Whether chance could have made the setting best.
  bool contends(std::size_t setting) const {
    return best_[setting] >= kContenderShare * static_cast<double>(by_setting_[setting].size());
  }

  /// How many spreads the intervals of these settings reach to either side, so that all hold at once; 0 when nothing
  /// deviates.
  double critical(const std::vector<bool>& settings) const {
    Values maxima(by_setting_.back().size());
    for (std::size_t s = 1; s < settings.size(); ++s) {
      if (!settings[s] || spreads_[s] == 0) continue;
      for (std::size_t round = 0; round < maxima.size(); ++round) {
        maxima[round] = std::max(maxima[round], std::abs(by_setting_[s][round]) / spreads_[s]);
      }
    }
    const double critical = percentile(std::move(maxima), 0.95);
    if (critical == 0) return 0;
    return critical * small_sample_factor({.units = static_cast<std::int64_t>(units_)}, critical);
  }

 private:
  void add(const Values& values, const std::vector<SettingGain>& measured) {
    for (std::size_t s = 1; s < measured.size(); ++s) {
      by_setting_[s].push_back(values[s] - values.front() - measured[s].gain.value);
    }
    ++best_[static_cast<std::size_t>(std::max_element(values.begin(), values.end()) - values.begin())];
  }

  std::size_t units_;
  std::vector<Values> by_setting_;  ///< [setting][round]; of setting 0 empty
  Values spreads_;                  ///< [setting]: root mean square of the deviations
  Values skews_;                    ///< [setting]: their skewness
  Values best_;                     ///< [setting]: resamples in which it is the best
};

/// `half_width` and `extension` in units of `spread`.
void widen(Interval& interval, double spread, double half_width, double extension) {
  interval.low -= (half_width - std::min(extension, 0.0)) * spread;
  interval.high += (half_width + std::max(extension, 0.0)) * spread;
}

void add_intervals(std::vector<SettingGain>& gains, const Deviations& deviations) {
  const double critical = deviations.critical(std::vector<bool>(gains.size(), true));
  for (std::size_t s = 1; s < gains.size(); ++s) {
    widen(gains[s].gain, deviations.spread(s), critical, deviations.extension(s, critical));
  }
}

struct Judgement {
  std::vector<std::size_t> chosen;  ///< [fold]
  double gain = 0;                  ///< mean over folds
};

/// Each fold's gain over setting 0 by what is best on the other folds; nothing when the metric is not defined on one.
std::optional<Judgement> judge_folds(const std::vector<Items>& folds, std::size_t settings, const ItemMetric& metric) {
  std::size_t items = 0;
  for (const Items& fold : folds) items += fold.size();
  Judgement judgement;
  for (std::size_t fold = 0; fold < folds.size(); ++fold) {
    Items others;
    for (std::size_t other = 0; other < folds.size(); ++other) {
      if (other != fold) others.insert(others.end(), folds[other].begin(), folds[other].end());
    }
    const auto elsewhere = values_on(others, settings, metric);
    if (!elsewhere) return std::nullopt;
    const auto best = std::max_element(elsewhere->begin(), elsewhere->end()) - elsewhere->begin();
    const auto chosen = static_cast<std::size_t>(best);
    const auto best_value = metric(chosen, folds[fold]);
    const auto baseline = metric(0, folds[fold]);
    if (!best_value || !baseline) return std::nullopt;
    judgement.chosen.push_back(chosen);
    // Folds of groups are not of one size.
    const double weight = static_cast<double>(folds[fold].size()) / static_cast<double>(items);
    judgement.gain += (*best_value - *baseline) * weight;
  }
  return judgement;
}

/// Fills in folds, deals, chosen and the gain without its interval.
void judge_deals(std::size_t items, std::size_t settings, const ItemMetric& metric, const HeldOutOptions& options,
                 HeldOutResult& result) {
  Redraws redraws(options.deals, "folds");
  double sum = 0;
  int judged = 0;
  for (int deal = 0; judged < options.deals; ++deal) {
    const std::vector<Items> folds = split_folds(items, options, deal);
    const auto judgement = judge_folds(folds, settings, metric);
    if (!judgement) {
      redraws.count();
      continue;
    }
    ++judged;
    sum += judgement->gain;
    result.folds = static_cast<int>(folds.size());
    result.chosen.insert(result.chosen.end(), judgement->chosen.begin(), judgement->chosen.end());
  }
  result.deals = options.deals;
  const double gain = sum / options.deals;
  result.gain = {gain, gain, gain};
}

/// The interval of the held-out gain, and the smallest gain that could have been shown.
void judge_certainty(const Deviations& deviations, HeldOutResult& result) {
  std::vector<bool> contenders(result.settings.size());
  for (std::size_t s = 1; s < contenders.size(); ++s) contenders[s] = deviations.contends(s);
  const bool any_chosen = std::any_of(result.chosen.begin(), result.chosen.end(), [](std::size_t s) { return s > 0; });
  for (const std::size_t s : result.chosen) contenders[s] = true;
  contenders[0] = false;
  if (std::none_of(contenders.begin(), contenders.end(), [](bool contends) { return contends; })) {
    contenders.assign(contenders.size(), true);
  }
  const double critical = deviations.critical(contenders);
  double spread = 0;
  double extension = 0;
  for (const std::size_t s : result.chosen) {
    spread = std::max(spread, deviations.spread(s));
    extension += deviations.extension(s, critical) / static_cast<double>(result.chosen.size());
  }
  if (any_chosen) {
    widen(result.gain, spread, critical, extension);
  } else {
    for (std::size_t s = 1; s < contenders.size(); ++s) {
      if (contenders[s]) spread = std::max(spread, deviations.spread(s));
    }
  }
  result.detectable = (critical - std::min(extension, 0.0)) * spread;
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
  std::mt19937_64 generator(options.seed + 0x9E3779B97F4A7C15ULL * static_cast<std::uint64_t>(deal));
  for (std::size_t left = units.size(); left > 1; --left) std::swap(units[left - 1], units[generator() % left]);
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
                                const HeldOutOptions& options) {
  if (options.folds < 0 || options.folds == 1 || options.deals < 1 || settings == 0) {
    fail(ErrorCode::invalid_argument,
         "a held-out judgement needs at least 2 folds, 1 deal and 1 setting, got {}, {} and {}", options.folds,
         options.deals, settings);
  }
  if (!options.groups.empty() && options.groups.size() != items) {
    fail(ErrorCode::invalid_argument, "there are {} items, but groups for {}", items, options.groups.size());
  }
  HeldOutResult result;
  judge_deals(items, settings, metric, options, result);
  const std::vector<Items> units = units_of(items, options.groups);
  result.units = units.size();
  Items all(items);
  std::iota(all.begin(), all.end(), 0);
  result.settings = gains_on(all, settings, metric);
  if (options.resamples == 0 || settings < 2) return result;
  const Deviations deviations(units, metric, result.settings, options);
  add_intervals(result.settings, deviations);
  judge_certainty(deviations, result);
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
