#include "evaluation/held_out.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <random>

#include "base/fail.h"
#include "base/percentile_interval.h"

namespace treble {

namespace {

using Items = std::vector<std::size_t>;

double percentile(std::vector<double> values, double fraction) {
  std::sort(values.begin(), values.end());
  const double place = fraction * static_cast<double>(values.size() - 1);
  const auto below = static_cast<std::size_t>(place);
  const std::size_t above = std::min(below + 1, values.size() - 1);
  return values[below] + (place - static_cast<double>(below)) * (values[above] - values[below]);
}

Items resample(std::span<const std::size_t> items, std::mt19937_64& generator) {
  Items drawn(items.size());
  for (std::size_t& item : drawn) item = items[generator() % items.size()];
  return drawn;
}

std::size_t best_setting(std::size_t settings, const ItemMetric& metric, const Items& items) {
  std::size_t best = 0;
  double best_value = metric(0, items);
  for (std::size_t setting = 1; setting < settings; ++setting) {
    const double value = metric(setting, items);
    if (value > best_value) {
      best = setting;
      best_value = value;
    }
  }
  return best;
}

/// [setting][round]: how far the gain over setting 0 strays from the measured one when items are drawn anew.
std::vector<std::vector<double>> deviations_of(std::span<const std::size_t> items, const ItemMetric& metric,
                                               const std::vector<SettingGain>& measured,
                                               const HeldOutOptions& options) {
  std::mt19937_64 generator(options.seed + 1);
  std::vector<std::vector<double>> deviations(measured.size());
  for (int round = 0; round < options.resamples; ++round) {
    const Items drawn = resample(items, generator);
    const double base = metric(0, drawn);
    for (std::size_t s = 1; s < measured.size(); ++s) {
      deviations[s].push_back(metric(s, drawn) - base - measured[s].gain.value);
    }
  }
  return deviations;
}

/// [setting]: its gain over setting 0.
std::vector<double> gains_on(const Items& items, std::size_t settings, const ItemMetric& metric) {
  std::vector<double> gains;
  gains.reserve(settings);
  const double base = metric(0, items);
  for (std::size_t s = 0; s < settings; ++s) gains.push_back(metric(s, items) - base);
  return gains;
}

struct Judgement {
  std::vector<std::size_t> chosen;  ///< [fold]
  double gain = 0;                  ///< mean over folds
};

/// Each fold's gain over setting 0 by what is best on the other folds.
Judgement judge_folds(const std::vector<Items>& folds, std::size_t settings, const ItemMetric& metric) {
  Judgement judgement;
  for (std::size_t fold = 0; fold < folds.size(); ++fold) {
    Items others;
    for (std::size_t other = 0; other < folds.size(); ++other) {
      if (other != fold) others.insert(others.end(), folds[other].begin(), folds[other].end());
    }
    const std::size_t chosen = best_setting(settings, metric, others);
    judgement.chosen.push_back(chosen);
    judgement.gain += (metric(chosen, folds[fold]) - metric(0, folds[fold])) / static_cast<double>(folds.size());
  }
  return judgement;
}

}  // namespace

std::vector<SettingGain> judge_settings(std::span<const std::size_t> items, std::size_t settings,
                                        const ItemMetric& metric, const HeldOutOptions& options) {
  std::vector<SettingGain> result(settings);
  for (std::size_t s = 0; s < settings; ++s) {
    result[s].value = metric(s, items);
    const double gain = result[s].value - result[0].value;
    result[s].gain = {gain, gain, gain};
  }
  if (options.resamples == 0 || settings < 2) return result;
  const std::vector<std::vector<double>> deviations = deviations_of(items, metric, result, options);
  std::vector<double> spreads(settings);
  std::vector<double> greatest(static_cast<std::size_t>(options.resamples));
  for (std::size_t s = 1; s < settings; ++s) {
    for (const double deviation : deviations[s]) spreads[s] += deviation * deviation;
    spreads[s] = std::sqrt(spreads[s] / options.resamples);
    for (std::size_t round = 0; round < greatest.size() && spreads[s] > 0; ++round) {
      greatest[round] = std::max(greatest[round], std::abs(deviations[s][round]) / spreads[s]);
    }
  }
  const double critical = percentile(greatest, 0.95);
  const double factor = small_sample_factor({.units = static_cast<std::int64_t>(items.size())}, critical);
  for (std::size_t s = 1; s < settings; ++s) {
    result[s].gain.low -= critical * factor * spreads[s];
    result[s].gain.high += critical * factor * spreads[s];
  }
  return result;
}

std::vector<std::vector<std::size_t>> deal_folds(std::size_t items, const HeldOutOptions& options) {
  Items order(items);
  std::iota(order.begin(), order.end(), 0);
  std::mt19937_64 generator(options.seed);
  for (std::size_t left = items; left > 1; --left) std::swap(order[left - 1], order[generator() % left]);
  std::vector<Items> folds(static_cast<std::size_t>(options.folds));
  for (std::size_t i = 0; i < items; ++i) folds[i % folds.size()].push_back(order[i]);
  return folds;
}

HeldOutResult hold_out(std::size_t items, std::size_t settings, const ItemMetric& metric,
                       const HeldOutOptions& options) {
  if (options.folds < 2 || settings == 0) {
    fail(ErrorCode::invalid_argument, "a sweep needs at least 2 folds and one setting, got {} and {}", options.folds,
         settings);
  }
  if (items < 2 * static_cast<std::size_t>(options.folds)) {
    fail(ErrorCode::invalid_argument, "{} labelled items cannot be divided into {} folds of at least 2; give more data",
         items, options.folds);
  }
  HeldOutResult result;
  Items all(items);
  std::iota(all.begin(), all.end(), 0);
  result.settings = judge_settings(all, settings, metric, options);

  const std::vector<Items> folds = deal_folds(items, options);
  Judgement judgement = judge_folds(folds, settings, metric);
  result.chosen = std::move(judgement.chosen);
  result.gain = {judgement.gain, judgement.gain, judgement.gain};
  // What the fold itself says of each setting is the truth of the resamples. The choice depends on the other folds'
  // chance, which is that of their gains too, so it is made anew in each resample; how far the gain then strays from
  // the truth of what was chosen is what the interval is about.
  std::vector<std::vector<double>> truth;
  truth.reserve(folds.size());
  for (const Items& fold : folds) truth.push_back(gains_on(fold, settings, metric));
  std::mt19937_64 generator(options.seed + 2);
  std::vector<double> gains;
  for (int round = 0; round < options.resamples; ++round) {
    std::vector<Items> drawn;
    drawn.reserve(folds.size());
    for (const Items& fold : folds) drawn.push_back(resample(fold, generator));
    const Judgement again = judge_folds(drawn, settings, metric);
    double stray = again.gain;
    for (std::size_t f = 0; f < folds.size(); ++f) {
      stray -= truth[f][again.chosen[f]] / static_cast<double>(folds.size());
    }
    gains.push_back(result.gain.value + stray);
  }
  if (gains.empty()) return result;
  const Bounds bounds = percentile_interval(
      std::move(gains), {.units = static_cast<std::int64_t>(items), .strata = static_cast<std::int64_t>(folds.size())});
  result.gain.low = std::min(bounds.low, result.gain.value);
  result.gain.high = std::max(bounds.high, result.gain.value);
  return result;
}

Benefit benefit_of(const HeldOutResult& result) {
  if (result.gain.low > 0) return Benefit::helps;
  if (result.gain.high < 0) return Benefit::harms;
  return Benefit::none;
}

}  // namespace treble
