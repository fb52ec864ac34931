#include "layers/position_plan.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "layers/embeddings.h"
#include "layers/position_bias.h"
#include "treble/error.h"

namespace treble::internal {
namespace {

constexpr PositionExtension kAll[] = {PositionExtension::none,       PositionExtension::interpolate,
                                      PositionExtension::group,      PositionExtension::recur,
                                      PositionExtension::ntk,        PositionExtension::interpolate_long,
                                      PositionExtension::group_long, PositionExtension::ntk_long};

std::vector<double> planned(PositionExtension extension, std::int64_t length, std::int64_t trained) {
  const PositionPlan plan = make_position_plan(extension, length, trained);
  std::vector<double> positions;
  for (std::int64_t p = 0; p < plan.size(); ++p) positions.push_back(plan[p]);
  return positions;
}

TEST(PositionPlan, WithinThePositionsNothingChanges) {
  for (const auto extension : kAll) {
    EXPECT_EQ(planned(extension, 5, 8), (std::vector<double>{0, 1, 2, 3, 4}));
    EXPECT_EQ(planned(extension, 4, 4), (std::vector<double>{0, 1, 2, 3}));
    EXPECT_EQ(ntk_base(10000, 64, 8, 8), 10000);
  }
}

TEST(PositionPlan, BeyondThemEachKindDoesAsPublished) {
  EXPECT_EQ(planned(PositionExtension::interpolate, 8, 4), (std::vector<double>{0, 0.5, 1, 1.5, 2, 2.5, 3, 3.5}));
  EXPECT_EQ(planned(PositionExtension::group, 9, 4), (std::vector<double>{0, 0, 0, 1, 1, 1, 2, 2, 2}));
  EXPECT_EQ(planned(PositionExtension::recur, 6, 4), (std::vector<double>{0, 1, 2, 3, 0, 1}));
  EXPECT_EQ(planned(PositionExtension::ntk, 5, 4), (std::vector<double>{0, 1, 2, 3, 4}));
  EXPECT_DOUBLE_EQ(ntk_base(10000, 64, 16, 4), 10000 * std::pow(4.0, 64.0 / 62.0));
}

TEST(PositionPlan, LongKindsPlanLongTextsAsTheOthersDo) {
  EXPECT_EQ(planned(PositionExtension::interpolate_long, 8, 4), planned(PositionExtension::interpolate, 8, 4));
  EXPECT_EQ(planned(PositionExtension::group_long, 9, 4), planned(PositionExtension::group, 9, 4));
  EXPECT_EQ(planned(PositionExtension::ntk_long, 5, 4), planned(PositionExtension::ntk, 5, 4));
}

TEST(PositionPlan, NoneRefusesMoreThanThereAre) {
  EXPECT_THROW(make_position_plan(PositionExtension::none, 9, 8), Error);
  EXPECT_THROW(make_position_plan(PositionExtension::group, 0, 8), Error);
}

TEST(PlanRows, InterpolatesBetweenRowsAndKeepsWholeOnes) {
  const std::vector<float> table = {9, 9, 0, 10, 2, 20, 4, 30};                // row 0 is before the first token's
  const auto plan = make_position_plan(PositionExtension::interpolate, 6, 3);  // 0, 0.5, … 2.5
  const auto rows = plan_rows(ConstMatrixView(table.data(), 4, 2), 1, plan);
  const std::vector<float> wanted = {0, 10, 1, 15, 2, 20, 3, 25, 4, 30, 4, 30};
  EXPECT_TRUE(std::equal(wanted.begin(), wanted.end(), rows.data()));
}

TEST(AlibiSlopes, FollowThePublishedRule) {
  EXPECT_EQ(alibi_slopes(8).front(), 0.5);
  EXPECT_EQ(alibi_slopes(8).back(), 1.0 / 256);
  const auto six = alibi_slopes(6);
  ASSERT_EQ(six.size(), 6U);
  EXPECT_DOUBLE_EQ(six[0], 0.25);
  EXPECT_DOUBLE_EQ(six[3], std::exp2(-8.0));
  EXPECT_DOUBLE_EQ(six[4], 0.5);
  EXPECT_DOUBLE_EQ(six[5], 0.125);
}

}  // namespace
}  // namespace treble::internal
