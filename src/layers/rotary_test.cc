#include "layers/rotary.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <thread>
#include <vector>

namespace treble::internal {
namespace {

constexpr std::int64_t kDim = 6;
constexpr std::int64_t kPositions = 3 * RotaryAngles::kBlock + 5;

PositionPlan plan_of(std::int64_t count) { return make_position_plan(PositionExtension::none, count, count); }

/// Of one position, as the formula says.
std::vector<float> expected_row(const std::vector<double>& frequencies, float scale, std::int64_t position) {
  std::vector<float> row;
  for (const bool sine : {false, true}) {
    for (const double frequency : frequencies) {
      const double angle = static_cast<float>(position) * static_cast<float>(frequency);
      row.push_back(static_cast<float>(sine ? std::sin(angle) : std::cos(angle)) * scale);
    }
  }
  return row;
}

std::vector<float> row_of(const RotaryAngles& angles, std::int64_t position) {
  const auto row = angles.rows_from(position).first(kDim);
  return {row.begin(), row.end()};
}

TEST(RotaryAngles, AreTheFormulasBitForBitInWhateverOrderTheyAreAskedFor) {
  const auto frequencies = rotary_frequencies(10000, kDim);
  const RotaryAngles angles(frequencies, 1.25F, plan_of(kPositions));
  for (const std::int64_t position : {kPositions - 1, std::int64_t{0}, RotaryAngles::kBlock, RotaryAngles::kBlock - 1,
                                      2 * RotaryAngles::kBlock + 77, std::int64_t{3}}) {
    EXPECT_EQ(row_of(angles, position), expected_row(frequencies, 1.25F, position)) << position;
  }
}

TEST(RotaryAngles, RowsReachToTheEndOfABlockAndStayWhereTheyAre) {
  const RotaryAngles angles(rotary_frequencies(10000, kDim), 1, plan_of(kPositions));
  EXPECT_EQ(angles.rows_from(3).size(), static_cast<std::size_t>((RotaryAngles::kBlock - 3) * kDim));
  EXPECT_EQ(angles.rows_from(kPositions - 2).size(), static_cast<std::size_t>(2 * kDim));
  EXPECT_EQ(angles.rows_from(3).data(), angles.rows_from(0).data() + 3 * kDim);
}

TEST(RotaryAngles, ThreadsThatAskAtOnceGetTheSameRows) {
  const auto frequencies = rotary_frequencies(10000, kDim);
  const RotaryAngles angles(frequencies, 1, plan_of(kPositions));
  std::vector<std::vector<const float*>> seen(4);
  std::vector<std::thread> threads;
  for (auto& mine : seen) {
    threads.emplace_back([&angles, &mine] {
      for (std::int64_t position = 0; position < kPositions; ++position) {
        mine.push_back(angles.rows_from(position).data());
      }
    });
  }
  for (auto& thread : threads) thread.join();
  for (const auto& other : seen) EXPECT_EQ(other, seen[0]);
  for (std::int64_t position = 0; position < kPositions; ++position) {
    EXPECT_EQ(row_of(angles, position), expected_row(frequencies, 1, position));
  }
}

/// x₁ + i x₂ times e^(i · angle), of one pair of a head.
void expect_rotated(const std::vector<float>& row, std::size_t first, double position, double frequency) {
  const double angle = static_cast<float>(position) * static_cast<float>(frequency);
  const double low = 1 + static_cast<double>(first);
  const double high = low + static_cast<double>(kDim) / 2;
  EXPECT_NEAR(row[first], low * std::cos(angle) - high * std::sin(angle), 1e-5);
  EXPECT_NEAR(row[first + kDim / 2], high * std::cos(angle) + low * std::sin(angle), 1e-5);
}

/// Two texts in a batch, one of which ends in the second block.
TEST(RotaryTable, RotatesEveryTokenByItsPositionInItsText) {
  const RotaryTable table({.base = 10000}, kDim, plan_of(kPositions));
  const auto frequencies = rotary_frequencies(10000, kDim);
  PackedBatch batch;
  batch.offsets = {0, 3, 3 + RotaryAngles::kBlock + 9};
  const std::int64_t tokens = batch.offsets.back();
  std::vector<float> values;
  for (std::int64_t token = 0; token < tokens; ++token) {
    for (int i = 0; i < kDim; ++i) values.push_back(static_cast<float>(i + 1));
  }
  Workspace workspace;
  table.rotate(Execution(workspace), batch, MatrixView(values.data(), tokens, kDim));
  for (std::int64_t token = 0; token < tokens; ++token) {
    const std::vector<float> row(values.begin() + token * kDim, values.begin() + (token + 1) * kDim);
    const auto position = static_cast<double>(token < 3 ? token : token - 3);
    for (std::size_t i = 0; i < frequencies.size(); ++i) expect_rotated(row, i, position, frequencies[i]);
  }
}

}  // namespace
}  // namespace treble::internal
