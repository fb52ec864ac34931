// The intervals of a sweep: of 95 % intervals over many random data sets, about 95 in 100 must contain the truth, which
// is known here.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>
#include <vector>

#include "treble/evaluation.h"

namespace treble::internal {
namespace {

constexpr int kTrials = 400;
constexpr int kResamples = 400;

void expect_honest(int covered, const char* what) {
  EXPECT_GE(covered, kTrials * 90 / 100) << what;
  EXPECT_LE(covered, kTrials * 98 / 100) << what;
}

bool covers(const Interval& interval, double truth) { return interval.low <= truth && truth <= interval.high; }

/// Items of unlike difficulty, and settings that gain something on them, much on few. Two settings are nearly as good,
/// so that chance chooses between them.
struct DataSet {
  DataSet(std::size_t items, const std::vector<double>& gains, std::uint64_t seed) {
    std::mt19937_64 generator(seed);
    std::normal_distribution<double> normal;
    std::exponential_distribution<double> skewed;
    std::vector<double> difficulty(items);
    for (double& value : difficulty) value = normal(generator);
    for (const double gain : gains) {
      auto& row = values.emplace_back(difficulty);
      for (double& value : row) value += gain == 0 && values.size() == 1 ? 0 : gain + 0.5 * (skewed(generator) - 1);
    }
  }

  ItemMetric metric() const {
    return [this](std::size_t setting, std::span<const std::size_t> items) {
      double sum = 0;
      for (const std::size_t item : items) sum += values[setting][item];
      return sum / static_cast<double>(items.size());
    };
  }

  std::vector<std::vector<double>> values;  ///< [setting][item]
};

TEST(IntervalCoverage, OfTheHeldOutGain) {
  const std::vector<double> gains = {0, 0.1, 0.3, 0.28};
  for (const std::size_t items : {30U, 60U, 200U}) {
    for (const int folds : {2, 5}) {
      int covered = 0;
      for (std::uint64_t trial = 0; trial < kTrials; ++trial) {
        const DataSet data(items, gains, 31000 + trial);
        const auto result = evaluate_held_out(items, gains.size(), data.metric(), {folds, kResamples, 77 * trial + 3});
        // The interval is about what was chosen.
        double truth = 0;
        for (const std::size_t chosen : result.chosen) truth += gains[chosen] / folds;
        covered += covers(result.gain, truth) ? 1 : 0;
      }
      SCOPED_TRACE(items);
      expect_honest(covered, "held-out gain");
    }
  }
}

TEST(IntervalCoverage, OfAllSettingsGainsAtOnce) {
  const std::vector<double> gains = {0, 0, 0.1, 0.3, -0.2, 0.05};
  for (const std::size_t items : {60U, 200U}) {
    int covered = 0;
    for (std::uint64_t trial = 0; trial < kTrials; ++trial) {
      const DataSet data(items, gains, 5000 + trial);
      const auto result = evaluate_held_out(items, gains.size(), data.metric(), {2, kResamples, trial});
      bool all = true;
      for (std::size_t s = 1; s < gains.size(); ++s) all = all && covers(result.settings[s].gain, gains[s]);
      covered += all ? 1 : 0;
    }
    SCOPED_TRACE(items);
    expect_honest(covered, "gains of all settings");
  }
}

}  // namespace
}  // namespace treble::internal
