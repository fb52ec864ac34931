// What happens to gains when items are resampled.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "treble/evaluation.h"

namespace treble::internal {

using Items = std::vector<std::size_t>;
using Values = std::vector<double>;
/// Two settings: the gain of the first over the second.
using Pair = std::pair<std::size_t, std::size_t>;

/// Items that hang together; each stands alone where there are no groups.
std::vector<Items> units_of(std::span<const std::size_t> items, const std::vector<std::size_t>& groups);
/// Of items 0 … `items` − 1.
std::vector<Items> units_of(std::size_t items, const std::vector<std::size_t>& groups);

/// [setting]; nothing when the metric is not defined for one of them.
std::optional<Values> values_on(std::span<const std::size_t> items, std::size_t settings, const ItemMetric& metric);

/// Counts rejected draws.
class Redraws {
 public:
  /// `what`: "folds".
  Redraws(int wanted, const char* what);
  /// Throws Error{invalid_argument} when there are too many.
  void count();

 private:
  std::int64_t max_;
  const char* what_;
  std::int64_t count_ = 0;
};

/// How far a gain deviates from the measured one when units are resampled.
struct Deviation {
  Values values;      ///< [round]
  double spread = 0;  ///< root mean square
  double skew = 0;

  /// By how many spreads an interval of `critical` spreads to either side is extended upwards, or where negative
  /// downwards: Johnson's correction for skewed samples (Journal of the American Statistical Association 73, 1978), in
  /// which the estimate and its spread hang together. The other end stays, as the skew of few items is itself unsure.
  double extension(double critical) const;
};

/// The gains over setting 0 in resamples of the units.
class Deviations {
 public:
  /// Throws Error{invalid_argument} when the metric is defined on hardly any resample.
  Deviations(const std::vector<Items>& units, const ItemMetric& metric, const std::vector<SettingGain>& measured,
             const HeldOutOptions& options);

  Deviation of(const Pair& pair) const;

  /// Those of `settings` that chance could have made the best of them.
  std::vector<std::size_t> contenders(std::span<const std::size_t> settings) const;

  /// How many spreads the intervals of these gains reach to either side, so that all hold at once; 0 when nothing
  /// deviates.
  double critical(const std::vector<Pair>& pairs) const;

 private:
  std::size_t units_;
  Values measured_;            ///< [setting]
  std::vector<Values> gains_;  ///< [setting][round]
};

}  // namespace treble::internal
