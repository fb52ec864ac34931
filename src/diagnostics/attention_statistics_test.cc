#include "diagnostics/attention_statistics.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>

namespace treble::internal {
namespace {

/// One sequence, one head, random queries and keys.
struct Head {
  explicit Head(std::int64_t n) : length(n), offsets{0, n}, scales(static_cast<std::size_t>(n), 1.0F) {
    std::mt19937 generator(5);
    std::normal_distribution<float> normal(0.0F, 1.0F);
    for (std::int64_t i = 0; i < 2 * n * 8; ++i) values.push_back(normal(generator));
    inputs.q = ConstMatrixView(values.data(), n, 8);
    inputs.k = ConstMatrixView(values.data() + n * 8, n, 8);
    inputs.v = inputs.k;
    inputs.offsets = offsets;
    inputs.num_heads = inputs.num_kv_heads = 1;
    inputs.qk_scale = 1.0F / std::sqrt(8.0F);
    inputs.logit_scales = scales;
  }
  std::int64_t length;
  std::vector<std::int64_t> offsets;
  std::vector<float> scales;
  std::vector<float> values;
  AttentionInputs inputs;
};

/// Largest singular value of HC[A] by Jacobi's method on its Gram matrix: slow and sure.
double singular_value(const std::vector<float>& a, std::int64_t size) {
  const auto n = static_cast<std::size_t>(size);
  std::vector<double> centred(a.begin(), a.end());
  for (std::size_t j = 0; j < n; ++j) {
    double mean = 0;
    for (std::size_t i = 0; i < n; ++i) mean += centred[i * n + j] / static_cast<double>(n);
    for (std::size_t i = 0; i < n; ++i) centred[i * n + j] -= mean;
  }
  std::vector<double> gram(n * n);
  for (std::size_t i = 0; i < n; ++i) {
    for (std::size_t j = 0; j < n; ++j) {
      for (std::size_t k = 0; k < n; ++k) gram[i * n + j] += centred[k * n + i] * centred[k * n + j];
    }
  }
  for (int sweep = 0; sweep < 60; ++sweep) {
    for (std::size_t p = 0; p < n; ++p) {
      for (std::size_t q = p + 1; q < n; ++q) {
        const double off = gram[p * n + q];
        if (std::abs(off) < 1e-18) continue;
        const double theta = 0.5 * std::atan2(2 * off, gram[q * n + q] - gram[p * n + p]);
        const double c = std::cos(theta);
        const double s = std::sin(theta);
        for (std::size_t k = 0; k < n; ++k) {
          const double gp = gram[k * n + p];
          const double gq = gram[k * n + q];
          gram[k * n + p] = c * gp - s * gq;
          gram[k * n + q] = s * gp + c * gq;
        }
        for (std::size_t k = 0; k < n; ++k) {
          const double gp = gram[p * n + k];
          const double gq = gram[q * n + k];
          gram[p * n + k] = c * gp - s * gq;
          gram[q * n + k] = s * gp + c * gq;
        }
      }
    }
  }
  double largest = 0;
  for (std::size_t i = 0; i < n; ++i) largest = std::max(largest, gram[i * n + i]);
  return std::sqrt(largest);
}

TEST(FilterRate, EqualsTheLargestSingularValue) {
  for (const std::int64_t n : {2, 5, 24}) {
    const Head head(n);
    const HeadLogits logits(head.inputs, 0, 0);
    for (const double s : {0.5, 1.0, 3.0}) {
      const auto a = logits.probabilities(s);
      EXPECT_NEAR(filter_rate(a, n), singular_value(a, n), 1e-4) << n << " at " << s;
    }
  }
}

TEST(FilterRate, RisesWithTheLogitScaleAndEntropyFalls) {
  const Head head(40);
  const HeadLogits logits(head.inputs, 0, 0);
  double rate = 0;
  double entropy = 1.0001;
  for (const double s : {0.125, 0.5, 1.0, 2.0, 8.0}) {
    const auto a = logits.probabilities(s);
    EXPECT_GT(filter_rate(a, 40), rate);
    EXPECT_LT(normalized_entropy(a, 40), entropy);
    rate = filter_rate(a, 40);
    entropy = normalized_entropy(a, 40);
  }
}

TEST(FilterRate, UniformAttentionPassesNothingAndIdentityEverything) {
  const std::vector<float> uniform(36, 1.0F / 6);
  EXPECT_NEAR(filter_rate(uniform, 6), 0, 1e-7);
  EXPECT_NEAR(normalized_entropy(uniform, 6), 1, 1e-6);
  std::vector<float> identity(36);
  for (std::size_t i = 0; i < 6; ++i) identity[i * 6 + i] = 1;
  EXPECT_NEAR(filter_rate(identity, 6), 1, 1e-5);
  EXPECT_EQ(normalized_entropy(identity, 6), 0);
  EXPECT_EQ(filter_rate({1.0F}, 1), 0) << "a single token has no high frequency";
}

TEST(HeadLogits, KeysThatAreNotSeenHaveNoWeight) {
  Head head(10);
  head.inputs.window_right = 0;
  head.inputs.window_left = 3;
  const auto a = HeadLogits(head.inputs, 0, 0).probabilities(1.0);
  for (std::size_t i = 0; i < 10; ++i) {
    double sum = 0;
    for (std::size_t j = 0; j < 10; ++j) {
      sum += a[i * 10 + j];
      if (j > i || j + 3 < i) {
        EXPECT_EQ(a[i * 10 + j], 0);
      }
    }
    EXPECT_NEAR(sum, 1, 1e-6);
  }
}

}  // namespace
}  // namespace treble::internal
