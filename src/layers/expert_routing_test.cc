#include "layers/expert_routing.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <vector>

#include "base/thread_pool.h"
#include "kernels/test_support.h"

namespace treble::internal {
namespace {

constexpr std::int64_t kRouterInput = 37;

struct RouterCase {
  std::int64_t experts;
  std::int64_t active;
  bool normalized = false;
};

std::vector<float> router_weights(std::int64_t experts) {
  return test::random_values(experts * kRouterInput, static_cast<unsigned>(experts),
                             1 / std::sqrt(float{kRouterInput}));
}

ExpertRouter make_router(const RouterCase& c, const std::vector<float>& weights) {
  AlignedBuffer<float> copy(weights.size());
  std::copy(weights.begin(), weights.end(), copy.data());
  return ExpertRouter({std::move(copy), c.experts, c.active, c.normalized});
}

/// By the definition, in double precision: (expert, weight) in the order of experts.
std::vector<std::pair<std::int32_t, double>> expected_routes(const RouterCase& c, const std::vector<float>& weights,
                                                             const float* x) {
  std::vector<double> probabilities;
  for (std::int64_t expert = 0; expert < c.experts; ++expert) {
    double logit = 0;
    for (std::int64_t i = 0; i < kRouterInput; ++i) {
      logit += double{weights[static_cast<std::size_t>(expert * kRouterInput + i)]} * double{x[i]};
    }
    probabilities.push_back(std::exp(logit));
  }
  const double all = std::accumulate(probabilities.begin(), probabilities.end(), 0.0);
  std::vector<std::pair<std::int32_t, double>> routes;
  routes.reserve(probabilities.size());
  for (std::size_t expert = 0; expert < probabilities.size(); ++expert) {
    routes.emplace_back(static_cast<std::int32_t>(expert), probabilities[expert] / all);
  }
  std::stable_sort(routes.begin(), routes.end(), [](const auto& a, const auto& b) { return a.second > b.second; });
  routes.resize(static_cast<std::size_t>(c.active));
  double sum = 0;
  for (const auto& route : routes) sum += route.second;
  for (auto& route : routes) route.second /= c.normalized ? sum : 1.0;
  std::sort(routes.begin(), routes.end());
  return routes;
}

TEST(ExpertRouter, TakesTheLargestWeightsOfTheSoftmax) {
  constexpr std::int64_t kRows = 60;
  const auto x = test::random_values(kRows * kRouterInput, 9);
  const test::TestExecution execution;
  for (const RouterCase& c : {RouterCase{1, 1}, RouterCase{3, 1}, RouterCase{5, 2}, RouterCase{8, 2, true},
                              RouterCase{8, 8}, RouterCase{4, 1, true}}) {
    SCOPED_TRACE(c.experts * 100 + c.active);
    const auto weights = router_weights(c.experts);
    ExpertRoutes routes;
    make_router(c, weights).route(execution, {x.data(), kRows, kRouterInput}, routes);
    ASSERT_EQ(routes.count(), kRows * c.active);
    double largest = 0;
    for (std::int64_t row = 0; row < kRows; ++row) {
      const auto expected = expected_routes(c, weights, x.data() + row * kRouterInput);
      for (std::size_t i = 0; i < expected.size(); ++i) {
        const auto route = static_cast<std::size_t>(row * c.active) + i;
        EXPECT_EQ(routes.experts[route], expected[i].first) << "row " << row;
        largest = std::max(largest, std::abs(double{routes.weights[route]} - expected[i].second));
      }
    }
    EXPECT_LT(largest, 1e-6);
  }
}

/// Each route has a row of its own, those of an expert lie together and in the order of their tokens.
TEST(ExpertRouter, LaysTheRoutesOutByExpert) {
  constexpr std::int64_t kRows = 41;
  const RouterCase c{5, 2};
  const auto x = test::random_values(kRows * kRouterInput, 3);
  ExpertRoutes routes;
  make_router(c, router_weights(5)).route(test::TestExecution(), {x.data(), kRows, kRouterInput}, routes);
  ASSERT_EQ(routes.offsets.size(), 6U);
  EXPECT_EQ(routes.offsets.front(), 0);
  EXPECT_EQ(routes.offsets.back(), routes.count());
  std::vector<std::size_t> at(routes.places.size(), routes.places.size());
  for (std::size_t route = 0; route < routes.places.size(); ++route) {
    const auto expert = static_cast<std::size_t>(routes.experts[route]);
    EXPECT_GE(routes.places[route], routes.offsets[expert]);
    EXPECT_LT(routes.places[route], routes.offsets[expert + 1]);
    at[static_cast<std::size_t>(routes.places[route])] = route;
  }
  for (std::size_t expert = 0; expert < 5; ++expert) {
    for (std::int64_t place = routes.offsets[expert] + 1; place < routes.offsets[expert + 1]; ++place) {
      EXPECT_LT(at[static_cast<std::size_t>(place - 1)], at[static_cast<std::size_t>(place)]);
    }
  }
}

TEST(ExpertRouter, RoutesARowTheSameBesideAnyOthers) {
  constexpr std::int64_t kRows = 100;
  const RouterCase c{8, 2};
  const auto x = test::random_values(kRows * kRouterInput, 5);
  const ExpertRouter router = make_router(c, router_weights(8));
  ThreadPool pool(3);
  ExpertRoutes together;
  router.route(test::TestExecution(&pool), {x.data(), kRows, kRouterInput}, together);
  ExpertRoutes alone;
  for (std::int64_t row = 0; row < kRows; ++row) {
    router.route(test::TestExecution(), {x.data() + row * kRouterInput, 1, kRouterInput}, alone);
    for (std::size_t i = 0; i < 2; ++i) {
      EXPECT_EQ(alone.experts[i], together.experts[static_cast<std::size_t>(2 * row) + i]);
      EXPECT_EQ(alone.weights[i], together.weights[static_cast<std::size_t>(2 * row) + i]);
    }
  }
}

TEST(ExpertRouter, OfEqualWeightsTheFirstCountsAsLarger) {
  const RouterCase c{6, 3};
  const std::vector<float> weights(6 * kRouterInput, 0.5F);
  const auto x = test::random_values(kRouterInput, 1);
  ExpertRoutes routes;
  make_router(c, weights).route(test::TestExecution(), {x.data(), 1, kRouterInput}, routes);
  EXPECT_EQ(routes.experts, (std::vector<std::int32_t>{0, 1, 2}));
  for (const float weight : routes.weights) EXPECT_FLOAT_EQ(weight, 1.0F / 6);
}

/// What follows is NaN too, and so shows; the routes themselves are some, never none or one twice.
TEST(ExpertRouter, NotANumberShowsInTheWeights) {
  for (const float odd : {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()}) {
    for (const bool normalized : {false, true}) {
      auto x = test::random_values(2 * kRouterInput, 1);
      x[5] = odd;
      ExpertRoutes routes;
      make_router({4, 2, normalized}, router_weights(4))
          .route(test::TestExecution(), {x.data(), 2, kRouterInput}, routes);
      EXPECT_LT(routes.experts[0], routes.experts[1]);
      EXPECT_TRUE(std::isnan(routes.weights[0]) && std::isnan(routes.weights[1]));
      EXPECT_TRUE(std::isfinite(routes.weights[2]) && std::isfinite(routes.weights[3]));
    }
  }
}

/// Logits whose exponentials would be beyond float32.
TEST(ExpertRouter, LargeLogitsStayFinite) {
  const RouterCase c{3, 1};
  std::vector<float> weights(3 * kRouterInput, 0);
  weights[0] = 500;
  weights[kRouterInput] = 900;
  std::vector<float> x(kRouterInput, 0);
  x[0] = 1;
  ExpertRoutes routes;
  make_router(c, weights).route(test::TestExecution(), {x.data(), 1, kRouterInput}, routes);
  EXPECT_EQ(routes.experts[0], 1);
  EXPECT_EQ(routes.weights[0], 1.0F);
}

}  // namespace
}  // namespace treble::internal
