// MaxSim against its reference implementation, on every instruction set this machine has.
#include "kernels/max_sim.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <numeric>
#include <random>
#include <utility>

#include "kernels/reference/reference.h"
#include "kernels/simd/on_every_target.h"
#include "kernels/test_support.h"
#include "treble/error.h"

namespace treble::internal {
namespace {

/// Sequences of random vectors that lie `gap` floats apart and not on a boundary.
struct RandomSequences {
  std::vector<std::int64_t> offsets = {0};
  std::vector<float> values = {};
  std::int64_t dim = 0;
  std::int64_t gap = 0;

  VectorSequences view() const { return {{values.data() + 1, offsets.back(), dim, dim + gap}, offsets}; }
};

RandomSequences random_sequences(const std::vector<std::int64_t>& lengths, std::int64_t dim, std::int64_t gap,
                                 unsigned seed) {
  RandomSequences result{.dim = dim, .gap = gap};
  for (const std::int64_t length : lengths) result.offsets.push_back(result.offsets.back() + length);
  result.values = test::random_values(1 + result.offsets.back() * (dim + gap), seed);
  return result;
}

std::vector<float> scores_of(const VectorSequences& queries, const VectorSequences& documents,
                             ThreadPool* pool = nullptr) {
  std::vector<float> scores(static_cast<std::size_t>(queries.count() * documents.count()), 99.0F);
  max_sim(test::TestExecution(pool), queries, documents, {scores.data(), queries.count(), documents.count()});
  return scores;
}

TEST(MaxSim, MatchesReferenceForDrawnShapes) {
  for (unsigned seed = 0; seed < 60; ++seed) {
    SCOPED_TRACE(seed);
    std::mt19937 draw(seed);
    const auto pick = [&](int low, int high) {
      return static_cast<std::int64_t>(std::uniform_int_distribution<int>(low, high)(draw));
    };
    const auto lengths = [&](int longest) {
      std::vector<std::int64_t> result;
      for (std::int64_t i = pick(1, 5); i > 0; --i) result.push_back(pick(1, longest));
      return result;
    };
    const std::int64_t dim = seed % 3 == 0 ? 128 : pick(1, 70);
    const auto queries = random_sequences(lengths(70), dim, pick(0, 3), seed);
    const auto documents = random_sequences(lengths(90), dim, pick(0, 3), seed + 1000);
    std::vector<float> slow(static_cast<std::size_t>(queries.view().count() * documents.view().count()));
    reference::max_sim(queries.view(), documents.view(),
                       {slow.data(), queries.view().count(), documents.view().count()});
    test::on_every_target([&] {
      const auto fast = scores_of(queries.view(), documents.view());
      for (std::size_t i = 0; i < slow.size(); ++i) {
        EXPECT_NEAR(fast[i], slow[i], 2e-6 * (std::abs(slow[i]) + static_cast<float>(dim))) << i;
      }
    });
  }
}

TEST(MaxSim, APairsScoreIsTheSameWhateverStandsBesideIt) {
  const auto queries = random_sequences({32, 1, 7, 40}, 24, 0, 1);
  const auto documents = random_sequences({5, 180, 900, 200, 1, 3000, 64}, 24, 1, 2);
  ThreadPool pool(3);
  test::on_every_target([&] {
    const auto all = scores_of(queries.view(), documents.view());
    EXPECT_EQ(scores_of(queries.view(), documents.view(), &pool), all);
    for (std::size_t q = 0; q < 4; ++q) {
      for (std::size_t d = 0; d < 7; ++d) {
        const std::vector<std::int64_t> query = {0, queries.offsets[q + 1] - queries.offsets[q]};
        const std::vector<std::int64_t> document = {0, documents.offsets[d + 1] - documents.offsets[d]};
        const VectorSequences one{{queries.view().rows.row(queries.offsets[q]), query[1], 24, 24}, query};
        const VectorSequences other{{documents.view().rows.row(documents.offsets[d]), document[1], 24, 25}, document};
        EXPECT_EQ(scores_of(one, other).front(), all[q * 7 + d]);
      }
    }
  });
}

TEST(MaxSim, NanShowsWhereverItStands) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  for (const std::size_t row : {0U, 3U, 8U, 16U, 17U}) {
    SCOPED_TRACE(row);
    auto queries = random_sequences({3, 2}, 9, 0, 1);
    auto documents = random_sequences({18, 4}, 9, 0, 2);
    documents.values[1 + row * 9 + 4] = nan;
    test::on_every_target([&] {
      const auto scores = scores_of(queries.view(), documents.view());
      EXPECT_TRUE(std::isnan(scores[0]) && std::isnan(scores[2]));
      EXPECT_TRUE(std::isfinite(scores[1]) && std::isfinite(scores[3]));
    });
  }
  auto queries = random_sequences({3, 2}, 9, 0, 1);
  const auto documents = random_sequences({18, 4}, 9, 0, 2);
  queries.values[1 + 2 * 9] = nan;
  const auto scores = scores_of(queries.view(), documents.view());
  EXPECT_TRUE(std::isnan(scores[0]) && std::isnan(scores[1]));
  EXPECT_TRUE(std::isfinite(scores[2]) && std::isfinite(scores[3]));
}

TEST(MaxSim, NoVectorsAreNoMaximumAndNoSum) {
  const auto queries = random_sequences({2, 0}, 4, 0, 1);
  const auto documents = random_sequences({0, 3}, 4, 0, 2);
  const auto scores = scores_of(queries.view(), documents.view());
  EXPECT_EQ(scores[0], -std::numeric_limits<float>::infinity());
  EXPECT_TRUE(std::isfinite(scores[1]));
  EXPECT_EQ(scores[2], 0);
  EXPECT_EQ(scores[3], 0);
  EXPECT_TRUE(scores_of(random_sequences({}, 4, 0, 1).view(), documents.view()).empty());
}

TEST(AllFinite, FindsWhatIsNotWhereverItStands) {
  ThreadPool pool(3);
  for (const std::size_t size : {0U, 1U, 7U, 64U, 70U, 200003U}) {
    auto values = test::random_values(static_cast<std::int64_t>(size), 1, 1e38F);
    for (float& value : values) value = std::clamp(value, -3.4e38F, 3.4e38F);
    test::on_every_target([&] {
      EXPECT_TRUE(all_finite(test::TestExecution(&pool), values));
      for (const std::size_t at : {std::size_t{0}, size / 2, size - 1}) {
        if (size == 0) break;
        for (const float bad : {std::numeric_limits<float>::quiet_NaN(), -std::numeric_limits<float>::infinity()}) {
          const float before = std::exchange(values[at], bad);
          EXPECT_FALSE(all_finite(test::TestExecution(&pool), values)) << size << ' ' << at;
          values[at] = before;
        }
      }
    });
  }
}

TEST(MaxSim, RefusesShapesThatDisagree) {
  const auto queries = random_sequences({2}, 4, 0, 1);
  const auto documents = random_sequences({3}, 5, 0, 2);
  EXPECT_THROW(scores_of(queries.view(), documents.view()), Error);
  auto short_of = random_sequences({3}, 4, 0, 2);
  short_of.offsets = {0, 2};
  VectorSequences view = short_of.view();
  view.rows.rows = 3;
  EXPECT_THROW(scores_of(queries.view(), view), Error);
}

}  // namespace
}  // namespace treble::internal
