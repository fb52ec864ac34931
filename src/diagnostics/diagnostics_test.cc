#include <gtest/gtest.h>

#include <cmath>
#include <random>

#include "diagnostics/length_buckets.h"
#include "diagnostics/pairwise_cosine.h"
#include "diagnostics/verdict.h"
#include "treble/collapse_report.h"
#include "treble/error.h"

namespace treble::internal {
namespace {

std::vector<float> random_rows(std::int64_t rows, std::int64_t cols, float offset, unsigned seed) {
  std::mt19937 generator(seed);
  std::normal_distribution<float> normal(offset, 1.0F);
  std::vector<float> values(static_cast<std::size_t>(rows * cols));
  for (float& value : values) value = normal(generator);
  return values;
}

/// The definition, pair by pair.
double naive_mean_cosine(ConstMatrixView vectors) {
  double sum = 0;
  std::int64_t pairs = 0;
  for (std::int64_t a = 0; a < vectors.rows; ++a) {
    for (std::int64_t b = a + 1; b < vectors.rows; ++b, ++pairs) {
      double dot = 0;
      double norm_a = 0;
      double norm_b = 0;
      for (std::int64_t c = 0; c < vectors.cols; ++c) {
        dot += double{vectors.row(a)[c]} * double{vectors.row(b)[c]};
        norm_a += double{vectors.row(a)[c]} * double{vectors.row(a)[c]};
        norm_b += double{vectors.row(b)[c]} * double{vectors.row(b)[c]};
      }
      sum += dot / std::sqrt(norm_a * norm_b);
    }
  }
  return sum / static_cast<double>(pairs);
}

TEST(PairwiseCosine, EqualsTheDefinition) {
  const auto values = random_rows(37, 12, 0.4F, 1);
  const ConstMatrixView vectors(values.data(), 37, 12);
  const auto estimate = mean_pairwise_cosine(vectors, {});
  EXPECT_NEAR(estimate.mean, naive_mean_cosine(vectors), 1e-12);
  EXPECT_EQ(estimate.pairs, 37 * 36 / 2);
  EXPECT_LT(estimate.low, estimate.mean);
  EXPECT_GT(estimate.high, estimate.mean);
}

TEST(PairwiseCosine, IsDeterministicForASeed) {
  const auto values = random_rows(20, 8, 0.1F, 2);
  const ConstMatrixView vectors(values.data(), 20, 8);
  const auto a = mean_pairwise_cosine(vectors, {200, 5});
  const auto b = mean_pairwise_cosine(vectors, {200, 5});
  EXPECT_EQ(a.low, b.low);
  EXPECT_EQ(a.high, b.high);
  EXPECT_NE(a.low, mean_pairwise_cosine(vectors, {200, 6}).low);
}

// Rows drawn around a common mean m: the true mean cosine is found from a large sample.
TEST(PairwiseCosine, TheIntervalCoversTheTruthAboutAsOftenAsItSays) {
  const auto many = random_rows(20000, 8, 0.5F, 99);
  const double truth = mean_pairwise_cosine({many.data(), 20000, 8}, {0, 1}).mean;
  int covered = 0;
  constexpr int kRounds = 200;
  for (unsigned round = 0; round < kRounds; ++round) {
    const auto values = random_rows(40, 8, 0.5F, round + 1000);
    const auto estimate = mean_pairwise_cosine({values.data(), 40, 8}, {300, round});
    covered += estimate.low <= truth && truth <= estimate.high ? 1 : 0;
  }
  EXPECT_GE(covered, kRounds * 86 / 100);
  EXPECT_LE(covered, kRounds * 99 / 100);
}

TEST(PairwiseCosine, TooFewRowsHaveNoPairs) {
  const std::vector<float> one = {1, 2};
  for (const std::int64_t rows : {0, 1}) {
    const auto estimate = mean_pairwise_cosine({one.data(), rows, 2}, {});
    EXPECT_EQ(estimate.pairs, 0);
    EXPECT_EQ(estimate.texts, rows);
    EXPECT_EQ(estimate.mean, 0);
  }
}

TEST(PairwiseCosine, ZeroAndEqualRowsGiveNumbers) {
  const std::vector<float> rows = {0, 0, 1, 0, 1, 0};
  const auto estimate = mean_pairwise_cosine({rows.data(), 3, 2}, {100, 1});
  EXPECT_NEAR(estimate.mean, 1.0 / 3, 1e-12);
  EXPECT_TRUE(std::isfinite(estimate.low) && std::isfinite(estimate.high));
  const std::vector<float> equal = {3, 4, 3, 4};
  EXPECT_NEAR(mean_pairwise_cosine({equal.data(), 2, 2}, {100, 1}).mean, 1.0, 1e-12);
}

TEST(LengthBuckets, CoverOneToTheLimitWithoutGaps) {
  const std::vector<std::int64_t> edges = {32, 64, 512};
  for (const std::int64_t limit : {1, 32, 33, 256, 512, 600}) {
    const auto buckets = make_buckets(edges, limit);
    EXPECT_EQ(buckets.front().min_tokens, 1);
    EXPECT_EQ(buckets.back().max_tokens, limit);
    for (std::size_t i = 1; i < buckets.size(); ++i) EXPECT_EQ(buckets[i].min_tokens, buckets[i - 1].max_tokens + 1);
    EXPECT_EQ(bucket_of(buckets, limit), static_cast<std::int64_t>(buckets.size()) - 1);
    EXPECT_EQ(bucket_of(buckets, limit + 1), -1);
    EXPECT_EQ(bucket_of(buckets, 0), -1);
  }
}

TEST(LengthBuckets, RefuseEdgesThatDoNotRise) {
  for (const auto& edges : {std::vector<std::int64_t>{64, 32}, {0, 5}, {-3}, {7, 7}}) {
    EXPECT_THROW(make_buckets(edges, 512), Error);
  }
}

TEST(SampleIndices, DrawsWithoutReplacementInOrder) {
  std::vector<std::int64_t> indices(100);
  for (std::size_t i = 0; i < indices.size(); ++i) indices[i] = static_cast<std::int64_t>(i) * 3;
  const auto sample = sample_indices(indices, 10, 4);
  ASSERT_EQ(sample.size(), 10U);
  for (std::size_t i = 1; i < sample.size(); ++i) EXPECT_LT(sample[i - 1], sample[i]);
  EXPECT_EQ(sample, sample_indices(indices, 10, 4));
  EXPECT_NE(sample, sample_indices(indices, 10, 5));
  EXPECT_EQ(sample_indices(indices, 100, 4), indices);
}

CosineEstimate estimate(double mean, double half_width, std::int64_t texts = 50) {
  return {texts, texts * (texts - 1) / 2, mean, mean - half_width, mean + half_width};
}

CollapseReport report_of(CosineEstimate short_texts, CosineEstimate long_texts) {
  CollapseReport report;
  report.texts = 100;
  report.settings = {"1"};
  report.num_temperatures = 1;
  report.buckets = {{1, 32, 50}, {33, 64, 50}};
  report.bucket_cosine = {{short_texts, long_texts}};
  report.cut_cosine = {{}};
  report.findings = find_collapse(report);
  return report;
}

bool says(const CollapseReport& report, const char* words) {
  return describe_collapse(report).find(words) != std::string::npos;
}

TEST(Verdict, SaysWhichIsMoreAlikeOrThatItIsUnclear) {
  EXPECT_TRUE(says(report_of(estimate(0.1, 0.01), estimate(0.3, 0.01)),
                   "collapse is visible: texts of 33 to 64 tokens are 3.0 times"));
  EXPECT_TRUE(says(report_of(estimate(0.001, 0.01), estimate(0.3, 0.01)), "are more similar"));
  EXPECT_TRUE(says(report_of(estimate(0.3, 0.01), estimate(0.1, 0.01)), "No length collapse here"));
  EXPECT_TRUE(says(report_of(estimate(0.2, 0.1), estimate(0.25, 0.1)), "not clearly"));
  EXPECT_TRUE(says(report_of(estimate(0.2, 0.1, 3), estimate(0.25, 0.1)), "Too few texts"));
  CollapseReport none;
  none.findings = find_collapse(none);
  EXPECT_TRUE(says(none, "no texts"));
}

TEST(Verdict, NothingIsDividedByACosineNearZero) {
  // A tenth of a cosine over next to nothing would be "20 times"; over an unsure one, anything.
  for (const auto& shorter : {estimate(0.005, 0.002), estimate(0.04, 0.005), estimate(0.06, 0.04)}) {
    const auto report = report_of(shorter, estimate(0.12, 0.01));
    EXPECT_TRUE(report.findings.visible);
    EXPECT_FALSE(report.findings.ratio.has_value());
    EXPECT_TRUE(says(report, "are more similar to one another than"));
    EXPECT_FALSE(says(report, "times")) << describe_collapse(report);
  }
  EXPECT_TRUE(report_of(estimate(0.06, 0.02), estimate(0.12, 0.01)).findings.ratio.has_value());
  // Many texts make a difference of no size certain.
  const auto tiny = report_of(estimate(0.010, 0.0001), estimate(0.012, 0.0001));
  EXPECT_FALSE(tiny.findings.visible);
  EXPECT_TRUE(says(tiny, "No length collapse to speak of: texts of 33 to 64 tokens are hardly more similar"));
}

TEST(Verdict, ARatioThatRoundsToOneIsNoCollapse) {
  const auto report = report_of(estimate(0.900, 0.001), estimate(0.918, 0.001));
  EXPECT_FALSE(report.findings.visible);
  EXPECT_TRUE(says(report, "No length collapse to speak of: texts of 33 to 64 tokens are 1.020 times as similar"));
  EXPECT_FALSE(says(report, "visible"));
  const auto more = report_of(estimate(0.80, 0.001), estimate(0.85, 0.001));
  EXPECT_TRUE(more.findings.visible);
  EXPECT_TRUE(says(more, "1.1 times"));
}

TEST(Verdict, SaysWhatCuttingTheSameTextsExplains) {
  CollapseReport report = report_of(estimate(0.1, 0.01), estimate(0.3, 0.01));
  report.cut_lengths = {16, 64};
  report.cut_texts = 40;
  report.cut_cosine = {{estimate(0.15, 0.01), estimate(0.25, 0.01)}};
  report.findings = find_collapse(report);
  ASSERT_TRUE(report.findings.explained_by_length.has_value());
  EXPECT_NEAR(*report.findings.explained_by_length, 0.5, 1e-12);
  EXPECT_TRUE(says(report, "explains 50 %"));
}

TEST(Verdict, ADifferenceOfTheCutsThatMayBeChanceExplainsNothing) {
  CollapseReport report = report_of(estimate(0.1, 0.01), estimate(0.3, 0.01));
  report.cut_lengths = {16, 64};
  report.cut_texts = 40;
  report.cut_cosine = {{estimate(0.15, 0.05), estimate(0.2, 0.05)}};
  report.findings = find_collapse(report);
  EXPECT_EQ(report.findings.explained_by_length, 0.0);
  EXPECT_TRUE(says(report, "no clear difference"));
  EXPECT_FALSE(says(report, "explains"));
  report.cut_cosine = {{estimate(0.3, 0.01), estimate(0.2, 0.01)}};
  report.findings = find_collapse(report);
  EXPECT_EQ(report.findings.explained_by_length, 0.0);
  EXPECT_TRUE(says(report, "longer is less alike"));
}

}  // namespace
}  // namespace treble::internal
