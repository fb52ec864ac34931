#include "base/percentile_interval.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>

namespace treble::internal {

namespace {

/// Student's quantile for ν degrees of freedom where the Gaussian's is z, in Fisher's expansion (Abramowitz & Stegun,
/// 26.7.5): at 95 % within 0.3 % from ν = 3 on, too small below.
double student(double z, double nu) {
  const double z3 = z * z * z;
  const double z5 = z3 * z * z;
  const double z7 = z5 * z * z;
  const double z9 = z7 * z * z;
  return z + (z3 + z) / (4 * nu) + (5 * z5 + 16 * z3 + 3 * z) / (96 * nu * nu) +
         (3 * z7 + 19 * z5 + 17 * z3 - 15 * z) / (384 * std::pow(nu, 3)) +
         (79 * z9 + 776 * z7 + 1482 * z5 - 1920 * z3 - 945 * z) / (92160 * std::pow(nu, 4));
}

double percentile(const std::vector<double>& sorted, double fraction) {
  const double place = fraction * static_cast<double>(sorted.size() - 1);
  const auto below = static_cast<std::size_t>(place);
  const std::size_t above = std::min(below + 1, sorted.size() - 1);
  return sorted[below] + (place - static_cast<double>(below)) * (sorted[above] - sorted[below]);
}

}  // namespace

double small_sample_factor(const Resampled& resampled, double z) {
  const auto units = static_cast<double>(resampled.units);
  const auto strata = static_cast<double>(resampled.strata);
  if (units <= strata) return std::numeric_limits<double>::infinity();
  return student(z, units - strata) / z * std::sqrt(units / (units - strata));
}

Bounds percentile_interval(std::vector<double> values, const Resampled& resampled) {
  std::sort(values.begin(), values.end());
  const double tail = std::erfc(kGaussian95 * small_sample_factor(resampled) / std::numbers::sqrt2) / 2;
  return {percentile(values, tail), percentile(values, 1 - tail)};
}

double spread_about(const std::vector<double>& values, double centre) {
  double sum = 0;
  for (const double value : values) sum += (value - centre) * (value - centre);
  return values.empty() ? 0 : sum / static_cast<double>(values.size());
}

void correct_spread(std::vector<double>& values, double centre, double variance) {
  const double resampled = spread_about(values, centre);
  if (resampled <= 0) return;
  const double factor = std::sqrt(std::clamp(variance / resampled, 1.0 / 3, 1.0));
  for (double& value : values) value = centre + factor * (value - centre);
}

}  // namespace treble::internal
