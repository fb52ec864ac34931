#include "layers/mixture_of_experts.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>
#include <optional>
#include <vector>

#include "base/thread_pool.h"
#include "kernels/test_support.h"

namespace treble::internal {
namespace {

constexpr std::int64_t kHidden = 64;
constexpr std::int64_t kInner = 128;
constexpr std::int64_t kExperts = 5;
constexpr std::int64_t kActive = 2;

/// A mixture and the numbers that it was made of.
struct RandomMixture {
  explicit RandomMixture(ComputeType type) : mixture(make(type)) {}

  MixtureOfExperts make(ComputeType type) {
    router = test::random_values(kExperts * kHidden, 1, 0.2F);
    bias = test::random_values(kHidden, 2, 0.3F);
    AlignedBuffer<float> router_copy(router.size());
    std::copy(router.begin(), router.end(), router_copy.data());
    std::vector<FeedForward> networks;
    for (std::int64_t expert = 0; expert < kExperts; ++expert) {
      const auto seed = static_cast<unsigned>(10 + expert);
      up.push_back(test::random_values(kInner * kHidden, seed, 1 / std::sqrt(float{kHidden})));
      down.push_back(test::random_values(kHidden * kInner, 100 + seed, 1 / std::sqrt(float{kInner})));
      networks.push_back(FeedForward(
          {.up = Linear({up.back().data(), kInner, kHidden}, {}, {.activation = Activation::gelu, .type = type}),
           .down = Linear({down.back().data(), kHidden, kInner}, {}, {.type = type})}));
    }
    return MixtureOfExperts({.router = ExpertRouter({std::move(router_copy), kExperts, kActive, false}),
                             .experts = std::move(networks),
                             .bias = bias});
  }

  /// y, which begins as `start`, in double precision.
  std::vector<double> expected_row(const float* x, const float* start) const {
    std::vector<double> logits;
    logits.reserve(kExperts);
    for (std::int64_t expert = 0; expert < kExperts; ++expert)
      logits.push_back(dot(&router[index(expert)], x, kHidden));
    double sum = 0;
    for (double& logit : logits) sum += logit = std::exp(logit);
    std::vector<double> y(start, start + kHidden);
    for (std::size_t i = 0; i < y.size(); ++i) y[i] += double{bias[i]};
    std::vector<double> sorted = logits;
    std::sort(sorted.begin(), sorted.end(), std::greater<>());
    for (std::size_t expert = 0; expert < logits.size(); ++expert) {
      if (logits[expert] >= sorted[kActive - 1]) add_expert(expert, logits[expert] / sum, x, y);
    }
    return y;
  }

  std::vector<float> router;
  std::vector<float> bias;
  std::vector<std::vector<float>> up;
  std::vector<std::vector<float>> down;
  MixtureOfExperts mixture;

 private:
  static std::size_t index(std::int64_t expert) { return static_cast<std::size_t>(expert * kHidden); }

  template <typename T>
  static double dot(const float* a, const T* b, std::int64_t size) {
    double sum = 0;
    for (std::int64_t i = 0; i < size; ++i) sum += double{a[i]} * static_cast<double>(b[i]);
    return sum;
  }

  void add_expert(std::size_t expert, double weight, const float* x, std::vector<double>& y) const {
    std::vector<double> inner;
    for (std::int64_t i = 0; i < kInner; ++i) {
      const double value = dot(&up[expert][static_cast<std::size_t>(i * kHidden)], x, kHidden);
      inner.push_back(0.5 * value * (1 + std::erf(value / std::numbers::sqrt2)));
    }
    for (std::int64_t i = 0; i < kHidden; ++i) {
      y[static_cast<std::size_t>(i)] +=
          weight * dot(&down[expert][static_cast<std::size_t>(i * kInner)], inner.data(), kInner);
    }
  }
};

/// In place, as a block calls it: y, which is x, plus the mixture of x.
std::vector<float> run_mixture(const MixtureOfExperts& mixture, std::vector<float> rows, ThreadPool* pool = nullptr) {
  const test::TestExecution execution(pool);
  const PackedBatch batch;
  LayerWorkspace workspace;
  const LayerCall call{.execution = execution,
                       .batch = batch,
                       .workspace = workspace,
                       .temperatures = {},
                       .position_bias = {},
                       .inputs = {},
                       .state_controls = {}};
  const MatrixView view(rows.data(), std::ssize(rows) / kHidden, kHidden);
  mixture.run(call, view, view);
  return rows;
}

TEST(MixtureOfExperts, IsItsDefinition) {
  RandomMixture random(ComputeType::float32);
  ThreadPool pool(3);
  // 1 row: most experts have none. Few: each thread has some outputs of all. Many: each thread has some rows.
  for (const std::int64_t rows : {1, 2, 17, 300}) {
    const auto x = test::random_values(rows * kHidden, 7);
    for (ThreadPool* threads : {static_cast<ThreadPool*>(nullptr), &pool}) {
      const auto y = run_mixture(random.mixture, x, threads);
      double largest = 0;
      for (std::int64_t row = 0; row < rows; ++row) {
        const float* begin = x.data() + row * kHidden;
        const auto expected = random.expected_row(begin, begin);
        for (std::int64_t i = 0; i < kHidden; ++i) {
          largest = std::max(largest, std::abs(double{y[static_cast<std::size_t>(row * kHidden + i)]} -
                                               expected[static_cast<std::size_t>(i)]));
        }
      }
      EXPECT_LT(largest, 1e-5) << rows << " rows";
    }
  }
}

TEST(MixtureOfExperts, OtherTypesStayClose) {
  const auto x = test::random_values(50 * kHidden, 7);
  const auto exact = run_mixture(RandomMixture(ComputeType::float32).mixture, x);
  for (const auto& [type, tolerance] : {std::pair{ComputeType::bfloat16, 0.05F}, {ComputeType::int8, 0.15F}}) {
    const auto y = run_mixture(RandomMixture(type).mixture, x);
    float largest = 0;
    for (std::size_t i = 0; i < y.size(); ++i) largest = std::max(largest, std::abs(y[i] - exact[i]));
    EXPECT_LT(largest, tolerance);
    EXPECT_GT(largest, 0);
  }
}

TEST(MixtureOfExperts, ARowOfInt8IsTheSameBesideAnyOthersBitForBit) {
  constexpr std::int64_t kRows = 40;
  const RandomMixture random(ComputeType::int8);
  const auto x = test::random_values(kRows * kHidden, 7);
  ThreadPool pool(2);
  const auto together = run_mixture(random.mixture, x, &pool);
  for (std::int64_t row = 0; row < kRows; ++row) {
    const auto begin = x.begin() + row * kHidden;
    const auto alone = run_mixture(random.mixture, {begin, begin + kHidden});
    EXPECT_TRUE(std::equal(alone.begin(), alone.end(), together.begin() + row * kHidden)) << row;
  }
}

TEST(MixtureOfExperts, NotANumberStaysInItsRow) {
  auto x = test::random_values(3 * kHidden, 7);
  x[kHidden + 4] = std::numeric_limits<float>::quiet_NaN();
  const auto y = run_mixture(RandomMixture(ComputeType::float32).mixture, x);
  for (std::int64_t i = 0; i < kHidden; ++i) {
    EXPECT_TRUE(std::isfinite(y[static_cast<std::size_t>(i)]));
    EXPECT_TRUE(std::isnan(y[static_cast<std::size_t>(kHidden + i)]));
    EXPECT_TRUE(std::isfinite(y[static_cast<std::size_t>(2 * kHidden + i)]));
  }
}

TEST(MixtureOfExperts, NoRowsAreNothing) {
  EXPECT_TRUE(run_mixture(RandomMixture(ComputeType::float32).mixture, {}).empty());
}

}  // namespace
}  // namespace treble::internal
