// The bootstrap intervals of an inspection: of 95 % intervals over many drawn corpora, about 95 in 100 must hold the
// truth, which is known here.
#include <gtest/gtest.h>

#include <cmath>
#include <random>
#include <vector>

#include "diagnostics/length_slope.h"
#include "diagnostics/pairwise_cosine.h"

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
