// What a probe reports against the definitions, written out for a whole layer at once in double precision.
#include "diagnostics/layer_probe.h"

#include <gtest/gtest.h>

#include <Eigen/Dense>
#include <array>
#include <cmath>
#include <random>

namespace treble::internal {
namespace {

using Matrix = Eigen::MatrixXd;

/// Two texts of one layer: four query heads on two key heads, every head with a logit scale of its own.
struct Layer {
  static constexpr std::int64_t kHeads = 4;
  static constexpr std::int64_t kKeyHeads = 2;
  static constexpr std::int64_t kHeadDim = 6;

  explicit Layer(unsigned seed, std::vector<std::int64_t> ends = {0, 9, 16}) {
    batch.offsets = std::move(ends);
    const std::int64_t tokens = batch.offsets.back();
    std::mt19937 generator(seed);
    std::normal_distribution<float> normal(0.1F, 1.3F);
    const auto fill = [&](std::int64_t cols) {
      std::vector<float> values(static_cast<std::size_t>(tokens * cols));
      for (float& value : values) value = normal(generator);
      return values;
    };
    q = fill(kHeads * kHeadDim);
    k = fill(kKeyHeads * kHeadDim);
    hidden = fill(kHidden);
    for (std::int64_t head = 0; head < kHeads; ++head) {
      for (std::int64_t token = 0; token < tokens; ++token) scales.push_back(0.5F + 0.4F * static_cast<float>(head));
    }
    inputs.q = ConstMatrixView(q.data(), tokens, kHeads * kHeadDim);
    inputs.k = ConstMatrixView(k.data(), tokens, kKeyHeads * kHeadDim);
    inputs.v = inputs.k;
    inputs.offsets = batch.offsets;
    inputs.num_heads = kHeads;
    inputs.num_kv_heads = kKeyHeads;
    inputs.qk_scale = 0.4F;
    inputs.logit_scales = scales;
  }
  Layer(const Layer&) = delete;
  Layer& operator=(const Layer&) = delete;

  ConstMatrixView hidden_states() const { return {hidden.data(), batch.offsets.back(), kHidden}; }

  static constexpr std::int64_t kHidden = 10;
  PackedBatch batch;
  std::vector<float> q, k, hidden, scales;
  AttentionInputs inputs;
};

double largest_singular_value(const Matrix& matrix) { return Eigen::JacobiSVD<Matrix>(matrix).singularValues()(0); }

/// The measures of a head on a text, straight from their definitions.
AttentionEstimate expected(const Layer& layer, std::int64_t text, std::int64_t head) {
  const std::int64_t begin = layer.batch.offsets[static_cast<std::size_t>(text)];
  const std::int64_t n = layer.batch.length(text);
  const double s = 0.5 + 0.4 * static_cast<double>(head);
  Matrix logits(n, n);
  for (std::int64_t i = 0; i < n; ++i) {
    for (std::int64_t j = 0; j < n; ++j) {
      double sum = 0;
      for (std::int64_t d = 0; d < Layer::kHeadDim; ++d) {
        sum += double{layer.inputs.q.row(begin + i)[head * Layer::kHeadDim + d]} *
               double{layer.inputs.k.row(begin + j)[head / 2 * Layer::kHeadDim + d]};
      }
      logits(i, j) = s * 0.4 * sum;
    }
  }
  Matrix attention = logits.array().exp();
  for (std::int64_t i = 0; i < n; ++i) attention.row(i) /= attention.row(i).sum();
  const auto count = static_cast<double>(n);
  AttentionEstimate estimate;
  estimate.logit_std = std::sqrt((logits.array() - logits.mean()).square().mean());
  estimate.entropy = -(attention.array() * attention.array().log()).sum() / (count * std::log(count));
  estimate.filter_rate = largest_singular_value(attention.rowwise() - attention.colwise().mean());
  estimate.bound = std::sqrt(
      count /
      (2 * std::sqrt(1 + std::exp(-2 * estimate.logit_std * estimate.logit_std)) * std::pow(count - 1, 1.5) + 1));
  estimate.above_bound = estimate.filter_rate > estimate.bound ? 1 : 0;
  return estimate;
}

using Field = double AttentionEstimate::*;
constexpr std::array<Field, 5> kFields = {&AttentionEstimate::logit_std, &AttentionEstimate::entropy,
                                          &AttentionEstimate::filter_rate, &AttentionEstimate::bound,
                                          &AttentionEstimate::above_bound};

void in_turn(std::int64_t count, const std::function<void(std::int64_t)>& body) {
  for (std::int64_t i = 0; i < count; ++i) body(i);
}

TEST(LayerProbe, AttentionIsTheMeanOfTheDefinitionsOverTextsAndHeads) {
  const Layer first(1);
  const Layer second(2, {0, 12});
  LayerProbe probe({.setting = 3, .length = 16, .layers = {0, 5}}, in_turn);
  probe.on_attention(5, first.batch, first.inputs);
  probe.on_attention(5, second.batch, second.inputs);
  probe.on_attention(4, first.batch, first.inputs);
  const auto estimates = probe.attention();
  ASSERT_EQ(estimates.size(), 1U + Layer::kHeads) << "the layer that was not asked for is left out";
  for (const Field field : kFields) {
    double over_heads = 0;
    for (std::int64_t head = 0; head < Layer::kHeads; ++head) {
      const double mean =
          (expected(first, 0, head).*field + expected(first, 1, head).*field + expected(second, 0, head).*field) / 3;
      EXPECT_NEAR(estimates[static_cast<std::size_t>(head) + 1].*field, mean, 1e-5);
      over_heads += mean / Layer::kHeads;
    }
    EXPECT_NEAR(estimates[0].*field, over_heads, 1e-5);
  }
  for (std::size_t i = 0; i < estimates.size(); ++i) {
    EXPECT_EQ(estimates[i].head, static_cast<std::int64_t>(i) - 1);
    EXPECT_EQ(estimates[i].layer, 5);
    EXPECT_EQ(estimates[i].setting, 3);
    EXPECT_EQ(estimates[i].length, 16);
    EXPECT_EQ(estimates[i].texts, 3);
  }
}

TEST(LayerProbe, TokensAreTheMeanOfTheDefinitionsOverTexts) {
  const Layer layer(4);
  LayerProbe probe({.setting = 1, .length = 9, .layers = {2}}, in_turn);
  for (const std::int64_t depth : {1, 2, 3, 4}) probe.on_hidden_states(depth, layer.batch, layer.hidden_states());
  const auto estimates = probe.tokens();
  ASSERT_EQ(estimates.size(), 2U) << "before and after the layer that is probed";
  double ratio = 0;
  double cosine = 0;
  for (const std::int64_t text : {0, 1}) {
    const std::int64_t n = layer.batch.length(text);
    Matrix x(n, Layer::kHidden);
    for (std::int64_t i = 0; i < n; ++i) {
      for (std::int64_t j = 0; j < Layer::kHidden; ++j) {
        x(i, j) = layer.hidden_states().row(layer.batch.offsets[static_cast<std::size_t>(text)] + i)[j];
      }
    }
    ratio += (x.rowwise() - x.colwise().mean()).norm() / x.norm() / 2;
    double pairs = 0;
    for (std::int64_t i = 0; i < n; ++i) {
      for (std::int64_t j = 0; j < n; ++j) {
        if (i != j) pairs += x.row(i).normalized().dot(x.row(j).normalized());
      }
    }
    cosine += pairs / static_cast<double>(n * (n - 1)) / 2;
  }
  for (const TokenEstimate& estimate : estimates) {
    EXPECT_NEAR(estimate.hc_ratio, ratio, 1e-6);
    EXPECT_NEAR(estimate.token_cosine, cosine, 1e-6);
    EXPECT_EQ(estimate.length, 9);
    EXPECT_EQ(estimate.setting, 1);
  }
  EXPECT_EQ(estimates[0].layer, 2);
  EXPECT_EQ(estimates[1].layer, 3);
}

TEST(LayerProbe, NothingSeenIsNothingReported) {
  const LayerProbe probe({.length = 9, .layers = {0, 1}}, in_turn);
  EXPECT_TRUE(probe.attention().empty());
  EXPECT_TRUE(probe.tokens().empty());
}

TEST(LayerProbe, ASingleTokenGivesNumbers) {
  const Layer layer(4, {0, 1});
  LayerProbe probe({.length = 1, .layers = {0}}, in_turn);
  probe.on_hidden_states(0, layer.batch, layer.hidden_states());
  probe.on_attention(0, layer.batch, layer.inputs);
  for (const AttentionEstimate& estimate : probe.attention()) {
    for (const Field field : kFields) EXPECT_EQ(estimate.*field, 0);
  }
  EXPECT_EQ(probe.tokens().front().hc_ratio, 0);
  EXPECT_EQ(probe.tokens().front().token_cosine, 0);
}

}  // namespace
}  // namespace treble::internal
