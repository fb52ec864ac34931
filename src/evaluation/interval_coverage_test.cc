// The intervals of a sweep: of 95 % intervals over many random data sets, about 95 in 100 must contain the truth, which
// is known here.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <ostream>
#include <random>
#include <span>
#include <string>
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

/// How gains are spread over the items of a data set.
enum class Spread { skewed, skewed_down, sparse, correlated };

/// [setting][item]: the gains themselves, the baseline's 0.
std::vector<std::vector<double>> draw_gains(Spread spread, std::size_t items, const std::vector<double>& truth,
                                            std::mt19937_64& generator) {
  std::normal_distribution<double> normal;
  std::exponential_distribution<double> exponential;
  std::uniform_real_distribution<double> uniform;
  std::vector<double> common(items);
  for (double& value : common) value = normal(generator);
  std::vector<std::vector<double>> gains(truth.size(), std::vector<double>(items));
  for (std::size_t s = 1; s < truth.size(); ++s) {
    for (std::size_t item = 0; item < items; ++item) {
      double noise = 0;
      switch (spread) {
        case Spread::skewed: noise = exponential(generator) - 1; break;
        case Spread::skewed_down: noise = 1 - exponential(generator); break;
        // Nine in ten items are ranked as before.
        case Spread::sparse: noise = uniform(generator) < 0.1 ? 6 * uniform(generator) - 3 : 0; break;
        case Spread::correlated: noise = 0.9 * common[item] + 0.436 * normal(generator); break;
      }
      gains[s][item] = truth[s] + 0.3 * noise;
    }
  }
  return gains;
}

struct Coverage {
  int covered = 0;
  int helps = 0;
  int harms = 0;
};

constexpr int kSets = 1000;

Coverage cover(Spread spread, std::size_t items, const std::vector<double>& truth) {
  Coverage coverage;
  for (std::uint64_t set = 0; set < kSets; ++set) {
    std::mt19937_64 generator(1'000'003 * set + items + 7 * truth.size());
    const auto gains = draw_gains(spread, items, truth, generator);
    const ItemMetric metric = [&](std::size_t setting, std::span<const std::size_t> some) {
      double sum = 0;
      for (const std::size_t item : some) sum += gains[setting][item];
      return sum / static_cast<double>(some.size());
    };
    const auto result = evaluate_held_out(items, truth.size(), metric, {.resamples = 400, .seed = set});
    // The interval is about what was chosen.
    double expected = 0;
    for (const std::size_t chosen : result.chosen)
      expected += truth[chosen] / static_cast<double>(result.chosen.size());
    const bool inside = result.gain.low - 1e-12 <= expected && expected <= result.gain.high + 1e-12;
    coverage.covered += inside ? 1 : 0;
    coverage.helps += benefit_of(result) == Benefit::helps ? 1 : 0;
    coverage.harms += benefit_of(result) == Benefit::harms ? 1 : 0;
  }
  return coverage;
}

struct Case {
  Spread spread;
  std::size_t items;
};

std::string case_name(const testing::TestParamInfo<Case>& info) {
  constexpr std::array kSpreads = {"Skewed", "SkewedDown", "Sparse", "Correlated"};
  return kSpreads.at(static_cast<std::size_t>(info.param.spread)) + std::to_string(info.param.items);
}

/// Without it the bytes would be printed, padding included.
void PrintTo(const Case& one, std::ostream* out) { *out << one.items << " items"; }

class HeldOutCoverage : public testing::TestWithParam<Case> {};

// Without a gain the baseline is chosen wherever chance is against the others, so that an interval can miss 0 on one
// side alone: 97.5 % and 2.5 % are then what a perfect one reaches. Strong skew costs up to two points.
TEST_P(HeldOutCoverage, WithoutAGain) {
  const auto [spread, items] = GetParam();
  for (const std::size_t settings : {1U, 8U}) {
    SCOPED_TRACE(testing::Message() << settings << " settings");
    const Coverage coverage = cover(spread, items, std::vector<double>(settings + 1));
    RecordProperty(settings == 1 ? "covered_1" : "covered_8", coverage.covered);
    RecordProperty(settings == 1 ? "helps_1" : "helps_8", coverage.helps);
    EXPECT_GE(coverage.covered, kSets * 94 / 100);
    EXPECT_LE(coverage.helps, kSets * 5 / 100);
    EXPECT_LE(coverage.harms, kSets * 1 / 100);
  }
}

TEST_P(HeldOutCoverage, WithAGain) {
  const auto [spread, items] = GetParam();
  const std::vector<double> several = {0, -0.05, -0.02, 0.01, 0.04, 0.06, 0.09, 0.12, 0.15};
  for (const auto& truth : {std::vector<double>{0, 0.1}, several}) {
    SCOPED_TRACE(testing::Message() << truth.size() - 1 << " settings");
    const Coverage coverage = cover(spread, items, truth);
    RecordProperty(truth.size() == 2 ? "covered_1" : "covered_8", coverage.covered);
    EXPECT_GE(coverage.covered, kSets * 93 / 100);
    // Intervals that are merely wide would cover as well.
    if (items == 300) {
      EXPECT_GE(coverage.helps, kSets * 95 / 100);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Spreads, HeldOutCoverage, testing::ValuesIn([] {
                           std::vector<Case> cases;
                           for (const Spread spread :
                                {Spread::skewed, Spread::skewed_down, Spread::sparse, Spread::correlated}) {
                             for (const std::size_t items : {50U, 100U, 300U}) cases.push_back({spread, items});
                           }
                           return cases;
                         }()),
                         case_name);

// Two ways to differ, alone and together: what each is worth alone, and what it adds to the other.
TEST(IntervalCoverage, OfAllContrastsAtOnce) {
  const std::vector<HeldOutContrast> contrasts = {
      {{0, 1}, {0}}, {{0, 2}, {0}}, {{0, 1, 2, 3}, {0, 2}}, {{0, 1, 2, 3}, {0, 1}}};
  for (const auto& truth :
       {std::vector<double>{0, 0, 0, 0}, std::vector<double>{0, 0, 0.3, 0.3}, std::vector<double>{0, 0.1, 0.2, 0.3}}) {
    int covered = 0;
    for (std::uint64_t set = 0; set < kTrials; ++set) {
      std::mt19937_64 generator(77 + set);
      auto gains = draw_gains(Spread::skewed, 100, truth, generator);
      // What is done in both ways varies with each of them.
      for (std::size_t item = 0; item < 100; ++item) {
        gains[3][item] = truth[3] + 0.7 * (gains[1][item] - truth[1] + gains[2][item] - truth[2]);
      }
      const ItemMetric metric = [&](std::size_t setting, std::span<const std::size_t> some) {
        double sum = 0;
        for (const std::size_t item : some) sum += gains[setting][item];
        return sum / static_cast<double>(some.size());
      };
      const auto result =
          evaluate_held_out(100, truth.size(), metric, {.resamples = kResamples, .seed = set}, contrasts);
      bool all = true;
      for (const HeldOutGain& one : result.contrasts) {
        double expected = 0;
        for (std::size_t fold = 0; fold < one.chosen.size(); ++fold) {
          expected += (truth[one.chosen[fold]] - truth[one.against[fold]]) / static_cast<double>(one.chosen.size());
        }
        all = all && one.gain.low - 1e-12 <= expected && expected <= one.gain.high + 1e-12;
      }
      covered += all ? 1 : 0;
    }
    EXPECT_GE(covered, kTrials * 93 / 100) << truth[1] << ", " << truth[2];
    RecordProperty("covered", covered);
  }
}

/// A metric that is the mean of ten runs, whose luck hangs on no item: k-means from other centres.
class LuckyRuns {
 public:
  static constexpr std::size_t kRuns = 10;

  LuckyRuns(const std::vector<double>& truth, std::uint64_t set) {
    std::mt19937_64 generator(31 * set + 5);
    gains_ = draw_gains(Spread::correlated, kItems, truth, generator);
    std::normal_distribution<double> normal;
    luck_.assign(truth.size(), std::vector<double>(kRuns));
    for (auto& runs : luck_) {
      for (double& run : runs) run = 0.3 * normal(generator);
    }
  }

  double value(std::size_t setting, std::span<const std::size_t> items, std::span<const std::size_t> runs) const {
    double of_items = 0;
    for (const std::size_t item : items) of_items += gains_[setting][item];
    double of_runs = 0;
    for (const std::size_t run : runs) of_runs += luck_[setting][run];
    return of_items / static_cast<double>(items.size()) + of_runs / static_cast<double>(runs.size());
  }

  /// Without `runs_known` as if its luck hung on the items.
  HeldOutResult judge(bool runs_known, bool shared, std::uint64_t seed) const {
    const ItemMetric metric = [this](std::size_t setting, std::span<const std::size_t> items) {
      constexpr std::array<std::size_t, kRuns> kAll = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9};
      return value(setting, items, kAll);
    };
    HeldOutOptions options = {.resamples = kResamples, .seed = seed};
    if (runs_known) {
      options.runs = {kRuns, shared,
                      [this](std::size_t setting, std::span<const std::size_t> items,
                             std::span<const std::size_t> runs) { return value(setting, items, runs); }};
    }
    return evaluate_held_out(kItems, luck_.size(), metric, options);
  }

 private:
  static constexpr std::size_t kItems = 100;
  std::vector<std::vector<double>> gains_;  ///< [setting][item]
  std::vector<std::vector<double>> luck_;   ///< [setting][run]
};

struct LuckCoverage {
  int covered = 0;
  int helps = 0;
  double lean = 0;  ///< of the held-out gain over the truth, mean
};

LuckCoverage cover_luck(const std::vector<double>& truth, bool runs_known, bool shared = false) {
  LuckCoverage coverage;
  for (std::uint64_t set = 0; set < kTrials; ++set) {
    const auto result = LuckyRuns(truth, set).judge(runs_known, shared, set);
    double expected = 0;
    for (const std::size_t chosen : result.chosen) {
      expected += truth[chosen] / static_cast<double>(result.chosen.size());
    }
    coverage.covered += result.gain.low - 1e-12 <= expected && expected <= result.gain.high + 1e-12 ? 1 : 0;
    coverage.helps += benefit_of(result) == Benefit::helps ? 1 : 0;
    coverage.lean += (result.gain.value - expected) / kTrials;
  }
  return coverage;
}

// All folds share the runs' luck, so a setting that is chosen and judged by the same runs seems to gain.
TEST(IntervalCoverage, LuckOfRunsIsNoGain) {
  const std::vector<double> none(5);
  for (const bool shared : {false, true}) {
    SCOPED_TRACE(shared);
    const LuckCoverage coverage = cover_luck(none, true, shared);
    EXPECT_LE(coverage.helps, kTrials * 5 / 100);
    EXPECT_GE(coverage.covered, kTrials * 93 / 100);
    EXPECT_NEAR(coverage.lean, 0, 0.01);
  }
  const LuckCoverage by_items_alone = cover_luck(none, false);
  EXPECT_GE(by_items_alone.helps, kTrials * 20 / 100) << "so that this test tests something";
  EXPECT_GE(by_items_alone.lean, 0.05) << "so that this test tests something";
}

TEST(IntervalCoverage, AGainIsFoundBesideLuckOfRuns) {
  const LuckCoverage coverage = cover_luck({0, 0, 0.1, 0.3, 0.8}, true);
  EXPECT_GE(coverage.covered, kTrials * 93 / 100);
  EXPECT_GE(coverage.helps, kTrials * 95 / 100);
  EXPECT_NEAR(coverage.lean, 0, 0.01);
}

TEST(IntervalCoverage, OfAllSettingsGainsAtOnce) {
  const std::vector<double> gains = {0, 0, 0.1, 0.3, -0.2, 0.05};
  for (const std::size_t items : {60U, 200U}) {
    int covered = 0;
    for (std::uint64_t trial = 0; trial < kTrials; ++trial) {
      const DataSet data(items, gains, 5000 + trial);
      const auto result =
          evaluate_held_out(items, gains.size(), data.metric(), {.deals = 1, .resamples = kResamples, .seed = trial});
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
