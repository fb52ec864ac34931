// 95 % intervals from bootstrap resamples.
#pragma once

#include <cstdint>
#include <vector>

namespace treble::internal {

/// What was resampled: units in strata of about equal size, each stratum resampled by itself.
struct Resampled {
  std::int64_t units = 0;
  std::int64_t strata = 1;
};

struct Bounds {
  double low = 0;
  double high = 0;
};

/// The point that leaves 2.5 % of a Gaussian above it.
constexpr double kGaussian95 = 1.959963984540054;

/// By how much a spread of resamples falls short of that of samples: sqrt(m / (m − 1)) for the lack of a degree of
/// freedom in each stratum of m units, times the ratio of Student's quantile to the Gaussian's quantile z for not
/// knowing the spread. Infinity where there is no degree of freedom.
double small_sample_factor(const Resampled& resampled, double z = kGaussian95);

/// The expanded 95 % percentile interval (Hesterberg, The American Statistician 69, 2015): percentiles
/// taken further out by small_sample_factor, as plain ones are too narrow for small samples. `values` are the
/// statistic's values over the resamples, at least one.
Bounds percentile_interval(std::vector<double> values, const Resampled& resampled);

/// The mean square of values' distances from a centre.
double spread_about(const std::vector<double>& values, double centre);

/// Draws resampled values together about `centre` to the variance that is known to be right, where resampling is known
/// to give more, up to three times as much; leaves them as they are where it gives less.
void correct_spread(std::vector<double>& values, double centre, double variance);

}  // namespace treble::internal
