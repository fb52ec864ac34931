// The bootstrap intervals of an inspection: of 95 % intervals over many drawn corpora, about 95 in 100 must hold the
// truth, which is known here.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <random>
#include <vector>

#include "diagnostics/length_slope.h"
#include "diagnostics/pairwise_cosine.h"
#include "diagnostics/token_similarity.h"

namespace treble::internal {
namespace {

constexpr int kTrials = 400;
constexpr int kResamples = 400;

void expect_honest(int covered, const char* what) {
  EXPECT_GE(covered, kTrials * 90 / 100) << what;
  EXPECT_LE(covered, kTrials * 98 / 100) << what;
}

/// Gaussian vectors around a common mean, the axes of falling variance, as embeddings have them.
struct Population {
  std::int64_t dim = 24;
  double offset = 0.4;  ///< of the mean from 0, along every axis

  std::vector<float> draw(std::int64_t rows, std::uint64_t seed) const {
    std::mt19937_64 generator(seed);
    std::normal_distribution<double> normal;
    std::vector<float> values;
    for (std::int64_t i = 0; i < rows * dim; ++i) {
      const double scale = 2 / std::sqrt(static_cast<double>(1 + i % dim));
      values.push_back(static_cast<float>(offset + scale * normal(generator)));
    }
    return values;
  }

  double mean_cosine() const {
    constexpr std::int64_t kMany = 200000;
    const auto values = draw(kMany, 99);
    return mean_pairwise_cosine({values.data(), kMany, dim}, {0, 1}).mean;
  }
};

TEST(IntervalCoverage, OfTheMeanCosineOfABucket) {
  for (const double offset : {0.1, 0.4}) {
    const Population population{.offset = offset};
    const double truth = population.mean_cosine();
    for (const std::int64_t texts : {30, 100}) {
      int covered = 0;
      for (std::uint64_t trial = 0; trial < kTrials; ++trial) {
        const auto values = population.draw(texts, 1000 + trial);
        const auto estimate = mean_pairwise_cosine({values.data(), texts, population.dim}, {kResamples, trial});
        covered += estimate.low <= truth && truth <= estimate.high ? 1 : 0;
      }
      SCOPED_TRACE(truth);
      SCOPED_TRACE(texts);
      expect_honest(covered, "mean cosine");
    }
  }
}

/// Texts of a few vectors about a topic of their own, beside what all texts share.
struct TokenPopulation {
  static constexpr std::int64_t kDim = 12;
  static constexpr std::int64_t kVectors = 5;
  double shared = 0;  ///< of the mean of all vectors from 0, along every axis

  std::vector<float> draw(std::int64_t texts, std::uint64_t seed) const {
    std::mt19937_64 generator(seed);
    std::normal_distribution<double> normal;
    std::vector<float> values;
    std::vector<double> topic(kDim);
    for (std::int64_t vector = 0; vector < texts * kVectors; ++vector) {
      if (vector % kVectors == 0) std::generate(topic.begin(), topic.end(), [&] { return normal(generator); });
      for (const double centre : topic) {
        values.push_back(static_cast<float>((shared + centre + normal(generator)) / 4));
      }
    }
    return values;
  }

  std::vector<CosineEstimate> measure(std::int64_t texts, std::uint64_t seed, int resamples) const {
    const auto values = draw(texts, 1000 + seed);
    std::vector<std::int64_t> offsets;
    for (std::int64_t text = 0; text <= texts; ++text) offsets.push_back(text * kVectors);
    const VectorSequences sequences{{values.data(), texts * kVectors, kDim}, offsets};
    const auto in_turn = [](std::int64_t count, const std::function<void(std::int64_t)>& body) {
      for (std::int64_t i = 0; i < count; ++i) body(i);
    };
    return {mean_token_cosine(sequences, {resamples, seed}),
            mean_pair_score(max_sim_pairs(sequences, 8, seed, in_turn), {resamples, seed})};
  }
};

TEST(IntervalCoverage, OfTokenVectorsWithinTextsAndBetween) {
  for (const double shared : {0.0, 1.0}) {
    const TokenPopulation population{.shared = shared};
    const auto truth = population.measure(40000, 99, 0);
    for (const std::int64_t texts : {30, 100}) {
      std::vector<int> covered(2);
      for (std::uint64_t trial = 0; trial < kTrials; ++trial) {
        const auto estimates = population.measure(texts, trial, kResamples);
        for (std::size_t i = 0; i < 2; ++i) {
          covered[i] += estimates[i].low <= truth[i].mean && truth[i].mean <= estimates[i].high ? 1 : 0;
        }
      }
      SCOPED_TRACE(shared);
      SCOPED_TRACE(texts);
      expect_honest(covered[0], "token cosine");
      expect_honest(covered[1], "MaxSim");
    }
  }
}

/// Queries and documents of one topic space; a document leans towards what all queries share the more, the longer it
/// is.
struct Rankings {
  static constexpr std::int64_t kDim = 16;

  struct Sample {
    std::vector<float> queries;
    std::vector<float> documents;
    std::vector<std::int64_t> tokens;
  };

  static Sample draw(std::int64_t queries, std::int64_t documents, std::uint64_t seed) {
    std::mt19937_64 generator(seed);
    std::normal_distribution<double> normal;
    std::uniform_real_distribution<double> log_length(2, 6);
    Sample sample;
    const auto add = [&](std::vector<float>& to, double lean) {
      for (std::int64_t i = 0; i < kDim; ++i) {
        to.push_back(static_cast<float>(normal(generator) + (i == 0 ? lean : 0.2)));
      }
    };
    for (std::int64_t i = 0; i < queries; ++i) add(sample.queries, 2);
    for (std::int64_t i = 0; i < documents; ++i) {
      sample.tokens.push_back(std::lround(std::exp(log_length(generator))));
      add(sample.documents, 0.5 * std::log(static_cast<double>(sample.tokens.back())));
    }
    return sample;
  }

  static SlopeEstimate slope(const Sample& sample, const BootstrapOptions& options) {
    const auto rows = [](const std::vector<float>& values) { return static_cast<std::int64_t>(values.size()) / kDim; };
    return length_slope({sample.queries.data(), rows(sample.queries), kDim},
                        {sample.documents.data(), rows(sample.documents), kDim}, sample.tokens, options);
  }
};

TEST(IntervalCoverage, OfTheSlopeOfQueryCosineOnLength) {
  const double truth = Rankings::slope(Rankings::draw(100000, 200000, 99), {0, 1}).slope;
  EXPECT_GT(truth, 0.02);
  for (const auto& [queries, documents] : {std::pair<std::int64_t, std::int64_t>{10, 200}, {40, 60}, {100, 30}}) {
    int covered = 0;
    for (std::uint64_t trial = 0; trial < kTrials; ++trial) {
      const auto estimate = Rankings::slope(Rankings::draw(queries, documents, 1000 + trial), {kResamples, trial});
      covered += estimate.low <= truth && truth <= estimate.high ? 1 : 0;
    }
    SCOPED_TRACE(queries);
    expect_honest(covered, "length slope");
  }
}

}  // namespace
}  // namespace treble::internal
