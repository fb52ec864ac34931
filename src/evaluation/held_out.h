// Does the best of several settings help on data that it was not chosen on?
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <vector>

namespace treble {

/// The metric of a setting over items (queries, pairs), an item possibly there several times; nothing where it is not
/// defined, as a correlation with a constant. Setting 0 is what the others are held against.
using ItemMetric = std::function<std::optional<double>(std::size_t setting, std::span<const std::size_t> items)>;

struct HeldOutOptions {
  int folds = 2;
  int resamples = 1000;
  std::uint64_t seed = 1;
};

/// [fold]: its items, dealt at random by the seed.
std::vector<std::vector<std::size_t>> deal_folds(std::size_t items, const HeldOutOptions& options);

/// Without resamples, and where no resample strays from the value, low = value = high but for rounding.
struct Interval {
  double value = 0;
  double low = 0;
  double high = 0;

  bool has_width() const noexcept { return high - low > 1e-12; }
};

struct SettingGain {
  double value = 0;  ///< of the metric
  Interval gain;     ///< over setting 0, whose own is zeros
};

/// [setting] over `items`, with intervals that hold for all settings at once: 95 % of a paired bootstrap's greatest
/// standardised deviation over the settings (Westfall & Young, 1993, max-T). Resamples on which the metric is not
/// defined are drawn anew. Throws Error{invalid_argument} when it is not defined on `items`, or on hardly any resample.
std::vector<SettingGain> judge_settings(std::span<const std::size_t> items, std::size_t settings,
                                        const ItemMetric& metric, const HeldOutOptions& options);

struct HeldOutResult {
  std::vector<SettingGain> settings;  ///< on all items
  std::vector<std::size_t> chosen;    ///< [fold]: the setting that is best on the other folds
  /// Mean over folds of the chosen setting's gain on the fold itself, with a 95 % interval: expanded percentiles of how
  /// far a paired bootstrap within the folds, the choice made anew, strays from the truth of what it chose. As the
  /// choice never sees the fold, trying many settings does not flatter it.
  Interval gain;
};

/// Folds are those of deal_folds. Needs at least two items a fold, one setting, and folds on which the metric is
/// defined; throws Error{invalid_argument} otherwise.
HeldOutResult hold_out(std::size_t items, std::size_t settings, const ItemMetric& metric,
                       const HeldOutOptions& options);

enum class Benefit { none, helps, harms };

/// helps: the held-out interval is above 0; harms: some setting was chosen and the interval is below 0.
Benefit benefit_of(const HeldOutResult& result);

}  // namespace treble
