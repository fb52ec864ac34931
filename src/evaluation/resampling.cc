#include "evaluation/resampling.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>
#include <random>

#include "base/fail.h"
#include "base/percentile_interval.h"

namespace treble::internal {

namespace {

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

/// As many units as there are, drawn with replacement.
Items resample(const std::vector<Items>& units, std::mt19937_64& generator) {
  Items resampled;
  for (std::size_t draw = 0; draw < units.size(); ++draw) {
    const Items& unit = units[generator() % units.size()];
    resampled.insert(resampled.end(), unit.begin(), unit.end());
  }
  return resampled;
}

/// Of the runs 0 … count − 1, count − 1 drawn with replacement: the mean over them deviates from the mean over all as
/// that deviates from the mean over endless runs. The same for the same draw and stream.
Items drawn_runs(std::size_t count, std::uint64_t draw, std::uint64_t stream) {
  std::seed_seq seed{draw, stream};
  std::mt19937_64 generator(seed);
  Items runs(count - 1);
  for (std::size_t& run : runs) run = generator() % count;
  return runs;
}

double mean_cube(const Values& values) {
  double sum = 0;
  for (const double value : values) sum += value * value * value;
  return sum / static_cast<double>(values.size());
}

}  // namespace

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

Redraws::Redraws(int wanted, const char* what) : max_(std::int64_t{kMaxRedraws} * wanted), what_(what) {}

void Redraws::count() {
  if (++count_ <= max_) return;
  fail(ErrorCode::invalid_argument,
       "so few items differ that the metric is not defined on most {} of them; give more data", what_);
}

double Deviation::extension(double critical) const {
  return std::clamp(skew * (1 + 2 * critical * critical) / 6, -critical, critical);
}

Deviations::Deviations(const std::vector<Items>& units, const ItemMetric& metric,
                       const std::vector<SettingGain>& measured, const HeldOutOptions& options)
    : units_(units.size()), gains_(measured.size()) {
  for (const SettingGain& setting : measured) measured_.push_back(setting.gain.value);
  std::mt19937_64 generator(options.seed + 1);
  Redraws redraws(options.resamples, "resamples");
  std::uint64_t draw = 0;
  const ItemMetric of_drawn_runs = [&](std::size_t setting, std::span<const std::size_t> items) {
    const std::uint64_t stream = options.runs.shared ? 0 : setting;
    return options.runs.metric(setting, items, drawn_runs(options.runs.count, draw, stream));
  };
  const ItemMetric& of_resample = options.runs.count > 0 ? of_drawn_runs : metric;
  for (int round = 0; round < options.resamples; ++draw) {
    const auto values = values_on(resample(units, generator), measured.size(), of_resample);
    if (!values) {
      redraws.count();
      continue;
    }
    ++round;
    for (std::size_t s = 0; s < measured.size(); ++s) gains_[s].push_back((*values)[s] - values->front());
  }
}

Deviation Deviations::of(const Pair& pair) const {
  const auto& [setting, other] = pair;
  Deviation result;
  const double measured = measured_[setting] - measured_[other];
  for (std::size_t round = 0; round < gains_[setting].size(); ++round) {
    result.values.push_back(gains_[setting][round] - gains_[other][round] - measured);
  }
  result.spread = std::sqrt(spread_about(result.values, 0));
  if (result.spread > 0) result.skew = mean_cube(result.values) / std::pow(result.spread, 3);
  return result;
}

std::vector<std::size_t> Deviations::contenders(std::span<const std::size_t> settings) const {
  std::map<std::size_t, std::size_t> best;
  const std::size_t rounds = gains_.front().size();
  for (std::size_t round = 0; round < rounds; ++round) {
    ++best[*std::max_element(settings.begin(), settings.end(),
                             [&](std::size_t a, std::size_t b) { return gains_[a][round] < gains_[b][round]; })];
  }
  std::vector<std::size_t> result;
  for (const auto& [setting, count] : best) {
    if (static_cast<double>(count) >= kContenderShare * static_cast<double>(rounds)) result.push_back(setting);
  }
  return result;
}

double Deviations::critical(const std::vector<Pair>& pairs) const {
  Values maxima(gains_.front().size());
  for (const Pair& pair : pairs) {
    const Deviation deviation = of(pair);
    if (deviation.spread == 0) continue;
    for (std::size_t round = 0; round < maxima.size(); ++round) {
      maxima[round] = std::max(maxima[round], std::abs(deviation.values[round]) / deviation.spread);
    }
  }
  const double critical = percentile(std::move(maxima), 0.95);
  if (critical == 0) return 0;
  return critical * small_sample_factor({.units = static_cast<std::int64_t>(units_)}, critical);
}

}  // namespace treble::internal
