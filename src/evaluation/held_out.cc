#include "treble/evaluation.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>
#include <random>

#include "base/fail.h"
#include "base/percentile_interval.h"

namespace treble {

using namespace internal;

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
  Items resampled(items.size());
  for (std::size_t& item : resampled) item = items[generator() % items.size()];
  return resampled;
}

/// Rejected resamples before the data is given up on, for each resample requested.
constexpr int kMaxRedraws = 100;

/// Counts rejected resamples. Throws when there are too many.
class Redraws {
 public:
  explicit Redraws(int resamples) : max_(std::int64_t{kMaxRedraws} * resamples) {}
  void count() {
    if (++count_ <= max_) return;
    fail(ErrorCode::invalid_argument,
         "so few items differ that the metric is not defined on most resamples of them; give more data");
  }

 private:
  std::int64_t max_;
  std::int64_t count_ = 0;
};

using Values = std::vector<double>;

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

/// [setting][round]: how far the gain over setting 0 deviates from the measured one when items are resampled.
std::vector<Values> deviations_of(std::span<const std::size_t> items, const ItemMetric& metric,
                                  const std::vector<SettingGain>& measured, const HeldOutOptions& options) {
  std::mt19937_64 generator(options.seed + 1);
  std::vector<Values> deviations(measured.size());
  Redraws redraws(options.resamples);
  for (int round = 0; round < options.resamples;) {
    const auto values = values_on(resample(items, generator), measured.size(), metric);
    if (!values) {
      redraws.count();
      continue;
    }
    ++round;
    for (std::size_t s = 1; s < measured.size(); ++s) {
      deviations[s].push_back((*values)[s] - values->front() - measured[s].gain.value);
    }
  }
  return deviations;
}

struct Judgement {
  std::vector<std::size_t> chosen;  ///< [fold]
  double gain = 0;                  ///< mean over folds
};

/// Each fold's gain over setting 0 by what is best on the other folds; nothing when the metric is not defined on one.
std::optional<Judgement> judge_folds(const std::vector<Items>& folds, std::size_t settings, const ItemMetric& metric) {
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
    judgement.gain += (*best_value - *baseline) / static_cast<double>(folds.size());
  }
  return judgement;
}

/// [fold][setting]: the metric of each setting on each fold.
std::vector<Values> truth_of(const std::vector<Items>& folds, std::size_t settings, const ItemMetric& metric) {
  std::vector<Values> truth;
  truth.reserve(folds.size());
  for (std::size_t fold = 0; fold < folds.size(); ++fold) {
    auto values = values_on(folds[fold], settings, metric);
    if (!values) {
      fail(ErrorCode::invalid_argument,
           "the metric is not defined on fold {} of {} ({} items), where labels or scores are all equal; give more "
           "data, fewer folds or another seed",
           fold + 1, folds.size(), folds[fold].size());
    }
    truth.push_back(std::move(*values));
  }
  return truth;
}

/// [round]: how far the held-out gain of resampled folds deviates from the truth of what is chosen on them.
std::vector<double> resampled_gains(const std::vector<Items>& folds, const std::vector<Values>& truth,
                                    const ItemMetric& metric, const HeldOutOptions& options) {
  std::mt19937_64 generator(options.seed + 2);
  Redraws redraws(options.resamples);
  std::vector<double> deviations;
  while (deviations.size() < static_cast<std::size_t>(options.resamples)) {
    std::vector<Items> resampled;
    resampled.reserve(folds.size());
    for (const Items& fold : folds) resampled.push_back(resample(fold, generator));
    const auto again = judge_folds(resampled, truth.front().size(), metric);
    if (!again) {
      redraws.count();
      continue;
    }
    double deviation = again->gain;
    for (std::size_t f = 0; f < folds.size(); ++f) {
      deviation -= (truth[f][again->chosen[f]] - truth[f].front()) / static_cast<double>(folds.size());
    }
    deviations.push_back(deviation);
  }
  return deviations;
}

}  // namespace

std::vector<SettingGain> compare_settings(std::span<const std::size_t> items, std::size_t settings,
                                          const ItemMetric& metric, const HeldOutOptions& options) {
  const auto values = values_on(items, settings, metric);
  if (!values) {
    fail(ErrorCode::invalid_argument,
         "the metric is not defined on these {} items, where labels or scores are all equal", items.size());
  }
  std::vector<SettingGain> result(settings);
  for (std::size_t s = 0; s < settings; ++s) {
    const double gain = (*values)[s] - values->front();
    result[s] = {(*values)[s], {gain, gain, gain}};
  }
  if (options.resamples == 0 || settings < 2) return result;
  const std::vector<Values> deviations = deviations_of(items, metric, result, options);
  std::vector<double> spreads(settings);
  std::vector<double> maxima(static_cast<std::size_t>(options.resamples));
  for (std::size_t s = 1; s < settings; ++s) {
    for (const double deviation : deviations[s]) spreads[s] += deviation * deviation;
    spreads[s] = std::sqrt(spreads[s] / options.resamples);
    for (std::size_t round = 0; round < maxima.size() && spreads[s] > 0; ++round) {
      maxima[round] = std::max(maxima[round], std::abs(deviations[s][round]) / spreads[s]);
    }
  }
  const double critical = percentile(maxima, 0.95);
  if (critical == 0) return result;  // no deviation: intervals without width
  const double factor = small_sample_factor({.units = static_cast<std::int64_t>(items.size())}, critical);
  for (std::size_t s = 1; s < settings; ++s) {
    result[s].gain.low -= critical * factor * spreads[s];
    result[s].gain.high += critical * factor * spreads[s];
  }
  return result;
}

std::vector<std::vector<std::size_t>> split_folds(std::size_t items, const HeldOutOptions& options) {
  Items order(items);
  std::iota(order.begin(), order.end(), 0);
  std::mt19937_64 generator(options.seed);
  for (std::size_t left = items; left > 1; --left) std::swap(order[left - 1], order[generator() % left]);
  std::vector<Items> folds(static_cast<std::size_t>(options.folds));
  for (std::size_t i = 0; i < items; ++i) folds[i % folds.size()].push_back(order[i]);
  return folds;
}

HeldOutResult evaluate_held_out(std::size_t items, std::size_t settings, const ItemMetric& metric,
                                const HeldOutOptions& options) {
  if (options.folds < 2 || settings == 0) {
    fail(ErrorCode::invalid_argument, "a held-out judgement needs at least 2 folds and one setting, got {} and {}",
         options.folds, settings);
  }
  if (items < 2 * static_cast<std::size_t>(options.folds)) {
    fail(ErrorCode::invalid_argument, "{} items cannot be divided into {} folds of at least 2; give more data", items,
         options.folds);
  }
  HeldOutResult result;
  Items all(items);
  std::iota(all.begin(), all.end(), 0);
  result.settings = compare_settings(all, settings, metric, options);

  const std::vector<Items> folds = split_folds(items, options);
  // The metric of each setting on the fold itself is the truth of the resamples. The choice depends on the sampling
  // noise of the other folds, as their gains do, so it is made again in each resample; the interval is about how far
  // the gain then deviates from the truth of what was chosen.
  const std::vector<Values> truth = truth_of(folds, settings, metric);
  auto judgement = judge_folds(folds, settings, metric);
  if (!judgement) fail(ErrorCode::invalid_argument, "the metric is not defined on the folds taken together");
  result.chosen = std::move(judgement->chosen);
  result.gain = {judgement->gain, judgement->gain, judgement->gain};
  std::vector<double> gains = resampled_gains(folds, truth, metric, options);
  for (double& gain : gains) gain += judgement->gain;
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

std::string to_string(Benefit benefit) {
  constexpr std::array<const char*, 3> kNames = {"none", "helps", "harms"};
  return kNames[static_cast<std::size_t>(benefit)];
}

}  // namespace treble
