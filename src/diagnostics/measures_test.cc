// The measures against NumPy and SciPy (tools/golden/diagnostics.py), on vectors that both sides make for themselves.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <functional>
#include <numeric>
#include <random>
#include <set>
#include <utility>
#include <vector>

#include "base/json_file.h"
#include "diagnostics/attention_statistics.h"
#include "diagnostics/isotropy.h"
#include "diagnostics/length_slope.h"
#include "diagnostics/neighbors.h"
#include "diagnostics/pairwise_cosine.h"
#include "diagnostics/token_similarity.h"
#include "diagnostics/token_statistics.h"

namespace treble::internal {
namespace {

constexpr std::int64_t kRows = 30;
constexpr std::int64_t kCols = 8;

std::vector<float> sequence(std::size_t count, std::uint64_t state) {
  std::vector<float> values;
  while (values.size() < count) {
    state = (state * 1103515245 + 12345) % (std::uint64_t{1} << 31);
    values.push_back(static_cast<float>(static_cast<std::int64_t>((state >> 16) % 1024) - 512) / 512);
  }
  return values;
}

class Measures : public ::testing::Test {
 protected:
  Measures() : expected_(parse_json_file(std::string(TREBLE_SOURCE_DIR) + "/tests/golden/diagnostics.json")) {
    values_ = sequence(kRows * kCols, 7);
    for (std::size_t i = 0; i < values_.size(); ++i) {
      values_[i] = values_[i] * static_cast<float>(1 + i % kCols) / 4 + 0.5F;
    }
  }
  double expected(const char* key) const { return expected_.at(key).get<double>(); }
  ConstMatrixView vectors() const { return {values_.data(), kRows, kCols}; }

  nlohmann::json expected_;
  std::vector<float> values_;
};

TEST_F(Measures, SpectrumEqualsNumpy) {
  const Spectrum spectrum = covariance_spectrum(vectors(), 2);
  ASSERT_EQ(spectrum.variances.size(), std::size_t{kCols});
  for (std::size_t i = 0; i < spectrum.variances.size(); ++i) {
    EXPECT_NEAR(spectrum.variances[i], expected_.at("variances").at(i).get<double>(), 1e-12);
  }
  EXPECT_NEAR(effective_rank(spectrum), expected("effective_rank"), 1e-10);
  EXPECT_NEAR(isoscore(spectrum), expected("isoscore"), 1e-10);
}

TEST_F(Measures, FewerRowsThanColumnsGiveTheSameSpectrumTheOtherWayRound) {
  const ConstMatrixView few(values_.data(), 5, kCols);
  const Spectrum spectrum = covariance_spectrum(few, 2);
  ASSERT_EQ(spectrum.variances.size(), 5U);
  EXPECT_NEAR(spectrum.variances.back(), 0, 1e-12) << "five centred rows span four dimensions";
  double total = 0;
  for (std::int64_t col = 0; col < kCols; ++col) {
    for (std::int64_t row = 0; row < 5; ++row) {
      const double offset = double{few.row(row)[col]} - spectrum.mean[static_cast<std::size_t>(col)];
      total += offset * offset / 5;
    }
  }
  double sum = 0;
  for (const double variance : spectrum.variances) sum += variance;
  EXPECT_NEAR(sum, total, 1e-12);
  // The first axis carries the first variance.
  double along = 0;
  for (std::int64_t row = 0; row < 5; ++row) {
    double at = 0;
    for (std::int64_t col = 0; col < kCols; ++col) {
      const auto c = static_cast<std::size_t>(col);
      at += (double{few.row(row)[col]} - spectrum.mean[c]) * spectrum.axes[c];
    }
    along += at * at / 5;
  }
  EXPECT_NEAR(along, spectrum.variances.front(), 1e-12);
}

TEST_F(Measures, IsoScoreIsOneForEvenVarianceAndNearZeroForALine) {
  std::vector<float> cross;  // ± each axis: the same variance along every one
  std::vector<float> line;
  for (std::int64_t axis = 0; axis < 4; ++axis) {
    for (const float sign : {1.0F, -1.0F}) {
      for (std::int64_t col = 0; col < 4; ++col) cross.push_back(col == axis ? sign : 0.0F);
      for (std::int64_t col = 0; col < 4; ++col) line.push_back(col == 0 ? sign * static_cast<float>(axis + 1) : 0.0F);
    }
  }
  EXPECT_NEAR(isoscore(covariance_spectrum({cross.data(), 8, 4}, 0)), 1, 1e-12);
  EXPECT_NEAR(isoscore(covariance_spectrum({line.data(), 8, 4}, 0)), 0, 1e-12);
}

TEST_F(Measures, UniformityEqualsNumpy) { EXPECT_NEAR(uniformity(vectors()), expected("uniformity"), 1e-10); }

TEST_F(Measures, NeighborsAndHubnessEqualNumpyAndScipy) {
  const auto neighbors = nearest_neighbors(vectors(), 5);
  for (std::size_t row = 0; row < neighbors.size(); ++row) {
    ASSERT_EQ(neighbors[row].size(), 5U);
    for (std::size_t rank = 0; rank < 5; ++rank) {
      EXPECT_EQ(neighbors[row][rank].index, expected_.at("neighbors").at(row).at(rank).get<std::int64_t>());
    }
  }
  const auto occurrences = k_occurrences(neighbors);
  const HubnessEstimate hubness = describe_hubness(std::span(occurrences).first(10));
  EXPECT_EQ(hubness.texts, 10);
  EXPECT_NEAR(hubness.mean, expected_.at("hubness").at("mean").get<double>(), 1e-12);
  EXPECT_NEAR(hubness.skewness, expected_.at("hubness").at("skewness").get<double>(), 1e-10);
  EXPECT_NEAR(hubness.antihub_share, expected_.at("hubness").at("antihub_share").get<double>(), 1e-12);
}

TEST_F(Measures, GroupCosinesEqualNumpy) {
  const std::vector<std::int64_t> ends = {10, 30, 30};
  const auto matrix = group_cosines(vectors(), ends);
  for (std::size_t a = 0; a < 2; ++a) {
    for (std::size_t b = 0; b < 2; ++b) {
      EXPECT_NEAR(*matrix[a][b], expected_.at("group_cosines").at(a).at(b).get<double>(), 1e-12);
    }
  }
  EXPECT_FALSE(matrix[0][2].has_value()) << "an empty group has no pairs";
  EXPECT_FALSE(matrix[2][2].has_value());
}

TEST_F(Measures, LengthSlopeEqualsNumpysLine) {
  const auto queries = sequence(6 * kCols, 17);
  std::vector<std::int64_t> tokens;
  for (std::int64_t i = 0; i < kRows; ++i) tokens.push_back(5 + 3 * i);
  const auto slope = length_slope({queries.data(), 6, kCols}, vectors(), tokens, {200, 1});
  EXPECT_NEAR(slope.slope, expected("slope"), 1e-10);
  EXPECT_LE(slope.low, slope.slope);
  EXPECT_GE(slope.high, slope.slope);
  const std::vector<std::int64_t> equal(kRows, 9);
  EXPECT_EQ(length_slope({queries.data(), 6, kCols}, vectors(), equal, {}).queries, 0) << "one length has no slope";
}

TEST_F(Measures, TokenStatisticsEqualNumpy) {
  const auto statistics = token_statistics(vectors());
  EXPECT_NEAR(statistics.hc_ratio, expected("hc_ratio"), 1e-12);
  EXPECT_NEAR(statistics.token_cosine, expected("token_cosine"), 1e-12);
  const std::vector<float> equal = {1, 2, 1, 2, 1, 2};
  EXPECT_NEAR(token_statistics({equal.data(), 3, 2}).hc_ratio, 0, 1e-7);
  EXPECT_NEAR(token_statistics({equal.data(), 3, 2}).token_cosine, 1, 1e-12);
}

/// One after the other.
void for_each_in_turn(std::int64_t count, const std::function<void(std::int64_t)>& body) {
  for (std::int64_t i = 0; i < count; ++i) body(i);
}

TEST_F(Measures, TokenVectorsOfTextsEqualNumpy) {
  const std::vector<std::int64_t> offsets = {0, 4, 5, 5, 12, 20, 30};
  const VectorSequences texts{vectors(), offsets};
  const auto& wanted = expected_.at("token_vectors");
  const CosineEstimate within = mean_token_cosine(texts, {200, 1});
  EXPECT_NEAR(within.mean, wanted.at("token_cosine").get<double>(), 1e-12);
  EXPECT_EQ(within.texts, 4) << "texts of one vector or none have no cosine";
  EXPECT_EQ(within.pairs, 6 + 21 + 28 + 45);
  EXPECT_LT(within.low, within.mean);
  EXPECT_GT(within.high, within.mean);
  for (const std::int64_t documents : {4, 32}) {
    const auto pairs = max_sim_pairs(texts, documents, 1, for_each_in_turn);
    ASSERT_EQ(pairs.size(), 5U * 4U) << "all of the five texts that have vectors with all others";
    const CosineEstimate between = mean_pair_score(pairs, {200, 1});
    EXPECT_NEAR(between.mean, wanted.at("max_sim").get<double>(), 1e-6);
    EXPECT_EQ(between.texts, 5);
    EXPECT_EQ(between.pairs, 20);
    EXPECT_LT(between.low, between.mean);
    EXPECT_GT(between.high, between.mean);
  }
  const TokenSpread spread = token_spread(vectors());
  EXPECT_EQ(spread.vectors, kRows);
  EXPECT_NEAR(spread.effective_rank, expected("effective_rank"), 1e-10);
  EXPECT_NEAR(spread.isoscore, expected("isoscore"), 1e-10);
}

TEST_F(Measures, EveryTextIsAsOftenADocumentAsAQueryAndNeverItsOwn) {
  std::vector<std::int64_t> offsets;
  for (std::int64_t i = 0; i <= kRows; ++i) offsets.push_back(i);
  const VectorSequences texts{vectors(), offsets};
  const auto pairs = max_sim_pairs(texts, 7, 3, for_each_in_turn);
  std::vector<int> asked(kRows);
  std::vector<int> found(kRows);
  std::set<std::pair<std::int64_t, std::int64_t>> different;
  for (const PairScore& pair : pairs) {
    EXPECT_NE(pair.query, pair.document);
    ++asked[static_cast<std::size_t>(pair.query)];
    ++found[static_cast<std::size_t>(pair.document)];
    different.emplace(pair.query, pair.document);
    const auto a = vectors().row_span(pair.query);
    const auto b = vectors().row_span(pair.document);
    EXPECT_NEAR(pair.score, std::inner_product(a.begin(), a.end(), b.begin(), 0.0), 1e-5);
  }
  EXPECT_EQ(asked, std::vector<int>(kRows, 7));
  EXPECT_EQ(found, std::vector<int>(kRows, 7));
  EXPECT_EQ(different.size(), pairs.size());
  const auto same = [&](std::uint64_t seed) {
    const auto others = max_sim_pairs(texts, 7, seed, for_each_in_turn);
    return std::equal(pairs.begin(), pairs.end(), others.begin(), [](const PairScore& a, const PairScore& b) {
      return a.query == b.query && a.document == b.document;
    });
  };
  EXPECT_TRUE(same(3));
  EXPECT_FALSE(same(4));
}

TEST_F(Measures, AttentionEqualsNumpy) {
  std::vector<float> q = sequence(12 * 4, 11);
  std::vector<float> k = sequence(12 * 4, 13);
  for (float& value : q) value *= 3;
  for (float& value : k) value *= 3;
  const std::vector<std::int64_t> offsets = {0, 12};
  const std::vector<float> scales(12, 1.0F);
  AttentionInputs inputs;
  inputs.q = ConstMatrixView(q.data(), 12, 4);
  inputs.k = ConstMatrixView(k.data(), 12, 4);
  inputs.v = inputs.k;
  inputs.offsets = offsets;
  inputs.num_heads = inputs.num_kv_heads = 1;
  inputs.qk_scale = 0.5F;
  inputs.logit_scales = scales;
  const HeadLogits logits(inputs, 0, 0);
  const auto attention = logits.probabilities(1.5);
  const auto& wanted = expected_.at("attention");
  EXPECT_NEAR(logits.standard_deviation(1.5), wanted.at("logit_std").get<double>(), 1e-5);
  EXPECT_NEAR(filter_rate(attention, 12), wanted.at("filter_rate").get<double>(), 1e-4);
  EXPECT_NEAR(normalized_entropy(attention, 12), wanted.at("entropy").get<double>(), 1e-5);
  EXPECT_NEAR(filter_rate_bound(logits.standard_deviation(1.5), 12), wanted.at("bound").get<double>(), 1e-6);
}

TEST(Extremes, TokenVectorsThatAreNotThere) {
  const std::vector<float> zeros(12);
  const std::vector<std::vector<std::int64_t>> divisions = {{0}, {0, 0}, {0, 0, 0}, {0, 1}, {0, 1, 1}, {0, 4}};
  for (const std::vector<std::int64_t>& offsets : divisions) {
    const ConstMatrixView rows(zeros.data(), offsets.back(), 3);
    const VectorSequences texts{rows, offsets};
    const CosineEstimate within = mean_token_cosine(texts, {});
    EXPECT_EQ(within.mean, 0) << "zeros are like nothing";
    EXPECT_EQ(within.pairs, offsets.back() == 4 ? 6 : 0);
    EXPECT_TRUE(max_sim_pairs(texts, 3, 1, for_each_in_turn).empty());
    EXPECT_EQ(mean_pair_score({}, {}).pairs, 0);
    EXPECT_EQ(token_spread(rows).effective_rank, 0);
  }
}

TEST(Extremes, GiveNumbers) {
  const std::vector<float> zeros(12);
  for (const std::int64_t rows : {0, 1, 4}) {
    const ConstMatrixView vectors(zeros.data(), rows, 3);
    const Spectrum spectrum = covariance_spectrum(vectors, 2);
    EXPECT_EQ(effective_rank(spectrum), 0);
    EXPECT_EQ(isoscore(spectrum), 0);
    EXPECT_TRUE(std::isfinite(uniformity(vectors)));
    EXPECT_EQ(nearest_neighbors(vectors, 10).size(), static_cast<std::size_t>(rows));
    EXPECT_EQ(describe_hubness({}).texts, 0);
  }
  EXPECT_EQ(filter_rate_bound(1, 1), 0);
}

}  // namespace
}  // namespace treble::internal
