// SPLADE and BGE-M3's sparse head against their definitions, on vocabularies and texts of several blocks.
#include "pooling/splade_head.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "kernels/row_ops.h"
#include "kernels/test_support.h"
#include "pooling/token_weight_head.h"

namespace treble::internal {
namespace {

constexpr std::int64_t kStates = 24;
constexpr std::int64_t kTransformed = 16;

PackedBatch texts_of_lengths(std::initializer_list<std::int64_t> lengths) {
  PackedBatch batch;
  batch.offsets = {0};
  for (const std::int64_t length : lengths) {
    batch.text_index.push_back(std::ssize(batch.text_index));
    batch.prompt_tokens.push_back(0);
    batch.offsets.push_back(batch.offsets.back() + length);
  }
  for (std::int64_t token = 0; token < batch.total_tokens(); ++token) {
    batch.ids.push_back(static_cast<std::int32_t>(token * 7 % 11));
  }
  return batch;
}

/// A head with random weights, and what it computes written out.
struct RandomSplade {
  explicit RandomSplade(std::int64_t vocabulary)
      : decoder(test::random_values(vocabulary * kTransformed, 2, 0.4F)), bias(test::random_values(vocabulary, 3)) {}

  ChainLayer transform() const {
    return {.in = kStates,
            .out = kTransformed,
            .weight = dense,
            .bias = dense_bias,
            .activation = Activation::gelu,
            .norm_gain = gain,
            .norm_bias = shift,
            .norm_eps = 1e-5F};
  }
  SpladeHead head(SpladeConfig config) const {
    const ChainLayer layer = transform();
    return {
        {layer, ConstMatrixView(decoder.data(), std::ssize(bias), kTransformed), bias}, config, ComputeType::float32};
  }

  /// Of one token: [vocabulary], in double but for the layer norm.
  std::vector<double> logits(std::span<const float> state) const {
    std::vector<float> row(kTransformed);
    for (std::size_t o = 0; o < row.size(); ++o) {
      double sum = dense_bias[o];
      for (std::size_t i = 0; i < kStates; ++i) sum += double{dense[o * kStates + i]} * double{state[i]};
      row[o] = static_cast<float>(0.5 * sum * (1 + std::erf(sum / std::sqrt(2.0))));
    }
    const MatrixView view(row.data(), 1, kTransformed);
    layer_norm(test::TestExecution(), gain, shift, 1e-5F, view, view);
    std::vector<double> result(bias.size());
    for (std::size_t v = 0; v < result.size(); ++v) {
      result[v] = bias[v];
      for (std::size_t o = 0; o < row.size(); ++o) result[v] += double{decoder[v * kTransformed + o]} * double{row[o]};
    }
    return result;
  }

  std::vector<double> pooled(const PackedBatch& batch, std::int64_t sequence, ConstMatrixView hidden,
                             SpladeConfig config) const {
    std::vector<double> result(bias.size());
    const auto s = static_cast<std::size_t>(sequence);
    for (std::int64_t row = batch.offsets[s]; row < batch.offsets[s + 1]; ++row) {
      const auto of_token = logits(hidden.row_span(row));
      for (std::size_t v = 0; v < result.size(); ++v) {
        double weight = std::log1p(std::max(0.0, of_token[v]));
        if (config.activation == SpladeConfig::Activation::log1p_relu) weight = std::log1p(weight);
        result[v] = config.pooling == SpladeConfig::Pooling::max ? std::max(result[v], weight) : result[v] + weight;
      }
    }
    return result;
  }

  std::vector<float> dense = test::random_values(kTransformed * kStates, 1, 0.3F);
  std::vector<float> dense_bias = test::random_values(kTransformed, 4);
  std::vector<float> gain = test::random_values(kTransformed, 5);
  std::vector<float> shift = test::random_values(kTransformed, 6, 0.2F);
  std::vector<float> decoder;
  std::vector<float> bias;
};

double difference_to(const std::vector<double>& expected, const TokenWeights& found) {
  std::vector<double> dense(expected.size());
  for (std::size_t i = 0; i < found.indices.size(); ++i) {
    dense[static_cast<std::size_t>(found.indices[i])] = double{found.values[i]};
  }
  double largest = 0;
  for (std::size_t v = 0; v < dense.size(); ++v) {
    largest = std::max(largest, std::abs(dense[v] - expected[v]) / std::max(1.0, expected[v]));
  }
  return largest;
}

void compare_with_definition(std::int64_t vocabulary, const PackedBatch& batch, const Execution& execution) {
  const RandomSplade model(vocabulary);
  const auto states = test::random_values(batch.total_tokens() * kStates, 7);
  const ConstMatrixView hidden(states.data(), batch.total_tokens(), kStates);
  for (const auto pooling : {SpladeConfig::Pooling::max, SpladeConfig::Pooling::sum}) {
    for (const auto activation : {SpladeConfig::Activation::relu, SpladeConfig::Activation::log1p_relu}) {
      const SpladeConfig config{pooling, activation};
      const SpladeHead head = model.head(config);
      EXPECT_EQ(head.dim(), vocabulary);
      const auto weights = head.run(execution, batch, hidden);
      ASSERT_EQ(std::ssize(weights), batch.num_sequences());
      for (std::int64_t s = 0; s < batch.num_sequences(); ++s) {
        const TokenWeights& text = weights[static_cast<std::size_t>(s)];
        EXPECT_LE(difference_to(model.pooled(batch, s, hidden, config), text), 5e-6) << vocabulary << " " << s;
        EXPECT_TRUE(std::is_sorted(text.indices.begin(), text.indices.end(), std::less_equal<>()));
      }
    }
  }
}

TEST(SpladeHead, EqualsItsDefinitionOverBlocksOfRowsAndColumns) {
  // Blocks are of 128 rows and 4096 columns: texts cross the first, the vocabulary is not a multiple of the second.
  compare_with_definition(9001, texts_of_lengths({3, 120, 1, 20}), test::TestExecution());
}

TEST(SpladeHead, EqualsItsDefinitionOnSeveralThreads) {
  ThreadPool pool(3);
  compare_with_definition(4500, texts_of_lengths({140}), test::TestExecution(&pool));
}

TEST(SpladeHead, OfATextWithoutTokensGivesNoWeight) {
  compare_with_definition(17, texts_of_lengths({0, 4, 0}), test::TestExecution());
  const RandomSplade model(17);
  EXPECT_EQ(
      model.head({}).run(test::TestExecution(), texts_of_lengths({0}), ConstMatrixView(nullptr, 0, kStates)).size(),
      1U);
}

TEST(SpladeHead, ANotANumberShowsInItsTextAlone) {
  const RandomSplade model(5000);
  const PackedBatch batch = texts_of_lengths({5, 4, 6});
  for (const float wrong : {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()}) {
    auto states = test::random_values(batch.total_tokens() * kStates, 8);
    states[6 * kStates + 3] = wrong;
    for (const auto pooling : {SpladeConfig::Pooling::max, SpladeConfig::Pooling::sum}) {
      const SpladeHead head = model.head({.pooling = pooling});
      const auto weights =
          head.run(test::TestExecution(), batch, ConstMatrixView(states.data(), batch.total_tokens(), kStates));
      for (std::size_t s = 0; s < 3; ++s) {
        const auto& values = weights[s].values;
        const bool finite = std::all_of(values.begin(), values.end(), [](float value) { return std::isfinite(value); });
        EXPECT_EQ(finite, s != 1);
      }
    }
  }
}

TEST(TokenWeightHead, TakesTheLargestWeightOfEachTokenButThoseLeftOut) {
  const PackedBatch batch = texts_of_lengths({40, 0, 7});
  const auto states = test::random_values(batch.total_tokens() * kStates, 9);
  const ConstMatrixView hidden(states.data(), batch.total_tokens(), kStates);
  const TokenWeightHead head(
      {.weight = test::random_values(kStates, 10), .bias = 0.5F, .vocab_size = 11, .left_out = {0, 3}});
  const auto weight = test::random_values(kStates, 10);
  const auto found = head.run(test::TestExecution(), batch, hidden);
  for (std::size_t s = 0; s < 3; ++s) {
    std::vector<double> expected(11);
    for (std::int64_t row = batch.offsets[s]; row < batch.offsets[s + 1]; ++row) {
      const auto id = static_cast<std::size_t>(batch.ids[static_cast<std::size_t>(row)]);
      if (id == 0 || id == 3) continue;
      double sum = 0.5;
      for (std::size_t i = 0; i < kStates; ++i) sum += double{weight[i]} * double{hidden.row(row)[i]};
      expected[id] = std::max(expected[id], sum);
    }
    EXPECT_LE(difference_to(expected, found[s]), 1e-6);
  }
}

TEST(TokenWeightHead, ANotANumberShows) {
  const PackedBatch batch = texts_of_lengths({12});
  auto states = test::random_values(batch.total_tokens() * kStates, 11);
  states[kStates] = std::numeric_limits<float>::quiet_NaN();
  const TokenWeightHead head({.weight = test::random_values(kStates, 10), .bias = 9, .vocab_size = 11});
  const auto found = head.run(test::TestExecution(), batch, ConstMatrixView(states.data(), 12, kStates));
  const auto& values = found.front().values;
  EXPECT_TRUE(std::any_of(values.begin(), values.end(), [](float value) { return std::isnan(value); }));
}

}  // namespace
}  // namespace treble::internal
