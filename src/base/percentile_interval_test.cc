#include "base/percentile_interval.h"

#include <gtest/gtest.h>

#include <cmath>
#include <numeric>

namespace treble::internal {
namespace {

/// Student's 97.5 % point by way of the factor.
double student(std::int64_t degrees, std::int64_t strata) {
  const auto units = static_cast<double>(degrees + strata);
  return small_sample_factor({degrees + strata, strata}) * kGaussian95 *
         std::sqrt((units - static_cast<double>(strata)) / units);
}

TEST(PercentileInterval, TheFactorHoldsStudentsQuantile) {
  // Abramowitz & Stegun, table 26.10.
  for (const auto& [degrees, quantile] : {std::pair<std::int64_t, double>{3, 3.182}, {9, 2.262}, {29, 2.045}}) {
    EXPECT_NEAR(student(degrees, 1), quantile, 0.003 * quantile);
    EXPECT_NEAR(student(degrees, 5), quantile, 0.003 * quantile);
  }
  EXPECT_NEAR(small_sample_factor({.units = 1000000}), 1, 1e-5);
  EXPECT_TRUE(std::isinf(small_sample_factor({.units = 1})));
  EXPECT_TRUE(std::isinf(small_sample_factor({.units = 5, .strata = 5})));
}

TEST(PercentileInterval, GoesFurtherOutForSmallSamples) {
  std::vector<double> values(1001);
  std::iota(values.begin(), values.end(), 0);
  const Bounds large = percentile_interval(values, {.units = 1000000});
  EXPECT_NEAR(large.low, 25, 0.01);
  EXPECT_NEAR(large.high, 975, 0.01);
  // Φ(−sqrt(10/9) · 2.262) = 0.00855.
  const Bounds small = percentile_interval(values, {.units = 10});
  EXPECT_NEAR(small.low, 8.55, 0.1);
  EXPECT_NEAR(small.high, 991.45, 0.1);
  const Bounds none = percentile_interval(values, {.units = 1});
  EXPECT_EQ(none.low, 0);
  EXPECT_EQ(none.high, 1000);
  const Bounds one = percentile_interval({7.0}, {.units = 3});
  EXPECT_EQ(one.low, 7);
  EXPECT_EQ(one.high, 7);
}

TEST(PercentileInterval, SpreadIsCorrectedDownToAThirdAndNeverUp) {
  const auto corrected = [](double variance) {
    std::vector<double> values = {8, 12};
    correct_spread(values, 10, variance);
    return spread_about(values, 10);
  };
  EXPECT_NEAR(corrected(2), 2, 1e-12);
  EXPECT_NEAR(corrected(0.1), 4.0 / 3, 1e-12);
  EXPECT_NEAR(corrected(-5), 4.0 / 3, 1e-12) << "an unbiased variance may be negative";
  EXPECT_NEAR(corrected(9), 4, 1e-12);
  std::vector<double> equal = {3, 3};
  correct_spread(equal, 3, 1);
  EXPECT_EQ(equal, (std::vector<double>{3, 3}));
}

}  // namespace
}  // namespace treble::internal
