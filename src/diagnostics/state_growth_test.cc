// Where states are looked at, and when a variance counts as a collapse.
#include "diagnostics/state_growth.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "diagnostics/state_positions.h"

namespace treble::internal {
namespace {

TEST(StatePositions, AreAllWhereTheyAreFewAndRiseToTheLastOtherwise) {
  EXPECT_TRUE(state_positions(63, 8).empty());
  EXPECT_EQ(state_positions(64, 8), (std::vector<std::int64_t>{64}));
  EXPECT_EQ(state_positions(300, 8), (std::vector<std::int64_t>{64, 128, 192, 256}));
  for (const std::int64_t longest : {513LL, 640LL, 5000LL, 1'000'000LL}) {
    const auto positions = state_positions(longest, 8);
    EXPECT_LE(positions.size(), 8U);
    EXPECT_EQ(positions.back(), longest / 64 * 64);
    EXPECT_EQ(positions[3], 256);
    EXPECT_TRUE(std::is_sorted(positions.begin(), positions.end()));
    EXPECT_EQ(std::adjacent_find(positions.begin(), positions.end()), positions.end());
    for (const auto position : positions) EXPECT_EQ(position % 64, 0);
  }
}

TEST(StatePositions, ThinnedOnesKeepTheTrainingLength) {
  const auto positions = state_positions(1'000'000, 512);
  const auto thinned = thinned_positions(positions, 64, 10'000);
  EXPECT_LE(thinned.size(), 65U);
  EXPECT_EQ(positions[thinned.back()], positions.back());
  EXPECT_TRUE(std::any_of(thinned.begin(), thinned.end(), [&](auto i) { return positions[i] == 10'000 / 64 * 64; }));
  EXPECT_TRUE(thinned_positions({}, 64, 100).empty());
}

TEST(StateGrowth, IsJudgedAgainstTheLargestWithinTheTrainingLength) {
  const std::vector<std::int64_t> positions = {64, 128, 192, 256, 320};
  const std::vector<double> variances = {2, 1, 20, 20.1, 7};
  const auto growth = growth_of(positions, variances, 128);
  ASSERT_TRUE(growth);
  EXPECT_EQ(growth->trained_variance, 2);
  EXPECT_EQ(growth->largest, 20.1 / 2);
  EXPECT_EQ(growth->last, 3.5);
  EXPECT_EQ(growth->collapse, 256) << "ten times exactly is none yet";
  EXPECT_EQ(growth_of(positions, variances, 130)->trained_variance, 2);
  EXPECT_FALSE(growth_of(positions, variances, 192)->collapse);
  EXPECT_FALSE(growth_of(positions, variances, 320)) << "no position beyond";
  EXPECT_FALSE(growth_of(positions, variances, 63)) << "no position within";
  EXPECT_FALSE(growth_of(positions, variances, std::nullopt));
  EXPECT_FALSE(growth_of(positions, std::vector<double>{0, 0, 1, 1, 1}, 128)) << "no variance within";
}

}  // namespace
}  // namespace treble::internal
