// Pooling against values worked out by hand and against a reference implementation.
#include "pooling/pooling.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>
#include <vector>

#include "base/thread_pool.h"
#include "kernels/test_support.h"
#include "pooling/normalize.h"
#include "treble/error.h"

namespace treble::internal {
namespace {

PackedBatch batch_of(const std::vector<std::int64_t>& lengths, std::vector<std::int64_t> prompt_tokens = {}) {
  PackedBatch batch;
  batch.offsets.push_back(0);
  for (const std::int64_t length : lengths) batch.offsets.push_back(batch.offsets.back() + length);
  batch.prompt_tokens = std::move(prompt_tokens);
  batch.prompt_tokens.resize(lengths.size());
  return batch;
}

std::vector<float> pooled(const PoolingConfig& config, const PackedBatch& batch, const std::vector<float>& hidden,
                          std::int64_t cols, const Execution& execution = test::TestExecution()) {
  const std::int64_t width = pooled_width(config, cols);
  std::vector<float> out(static_cast<std::size_t>(batch.num_sequences() * width), -7.0F);
  pool(execution, config, batch, {hidden.data(), batch.total_tokens(), cols},
       {out.data(), batch.num_sequences(), width});
  return out;
}

std::vector<float> random_values(std::size_t count, unsigned seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal;
  std::vector<float> values(count);
  for (float& value : values) value = normal(random);
  return values;
}

const std::vector<PoolingMode> kAllModes = {PoolingMode::cls,           PoolingMode::max,
                                            PoolingMode::mean,          PoolingMode::mean_sqrt_len,
                                            PoolingMode::weighted_mean, PoolingMode::last_token};

TEST(Pooling, NamesGoBothWays) {
  for (const PoolingMode mode : kAllModes) EXPECT_EQ(pooling_mode_from_name(to_string(mode)), mode);
  EXPECT_EQ(pooling_mode_from_name("median"), std::nullopt);
}

// Two texts of 2 columns: tokens (1,10) (2,20) (6,-30), and (5,7).
const std::vector<float> kHidden = {1, 10, 2, 20, 6, -30, 5, 7};

TEST(Pooling, GivesTheValuesWorkedOutByHand) {
  const auto run = [](PoolingMode mode) { return pooled({{mode}}, batch_of({3, 1}), kHidden, 2); };
  EXPECT_EQ(run(PoolingMode::cls), (std::vector<float>{1, 10, 5, 7}));
  EXPECT_EQ(run(PoolingMode::max), (std::vector<float>{6, 20, 5, 7}));
  EXPECT_EQ(run(PoolingMode::mean), (std::vector<float>{3, 0, 5, 7}));
  EXPECT_EQ(run(PoolingMode::mean_sqrt_len), (std::vector<float>{static_cast<float>(9 / std::sqrt(3.0)), 0, 5, 7}));
  // (1·1 + 2·2 + 3·6) / 6 and (1·10 + 2·20 − 3·30) / 6
  EXPECT_EQ(run(PoolingMode::weighted_mean),
            (std::vector<float>{static_cast<float>(23.0 / 6), static_cast<float>(-40.0 / 6), 5, 7}));
  EXPECT_EQ(run(PoolingMode::last_token), (std::vector<float>{6, -30, 5, 7}));
}

TEST(Pooling, ConcatenatesInTheOrderGiven) {
  EXPECT_EQ(pooled({{PoolingMode::last_token, PoolingMode::cls}}, batch_of({3, 1}), kHidden, 2),
            (std::vector<float>{6, -30, 1, 10, 5, 7, 5, 7}));
}

TEST(Pooling, LeavesThePromptOut) {
  const auto run = [](PoolingMode mode) { return pooled({{mode}, false}, batch_of({3, 1}, {1, 0}), kHidden, 2); };
  EXPECT_EQ(run(PoolingMode::cls), (std::vector<float>{2, 20, 5, 7}));
  EXPECT_EQ(run(PoolingMode::max), (std::vector<float>{6, 20, 5, 7}));
  EXPECT_EQ(run(PoolingMode::mean), (std::vector<float>{4, -5, 5, 7}));
  EXPECT_EQ(run(PoolingMode::mean_sqrt_len), (std::vector<float>{static_cast<float>(8 / std::sqrt(2.0)),
                                                                 static_cast<float>(-10 / std::sqrt(2.0)), 5, 7}));
  // The remaining tokens keep the weights 2 and 3.
  EXPECT_EQ(run(PoolingMode::weighted_mean), (std::vector<float>{22.0F / 5, -50.0F / 5, 5, 7}));
  EXPECT_EQ(run(PoolingMode::last_token), (std::vector<float>{6, -30, 5, 7}));
  EXPECT_EQ(pooled({{PoolingMode::mean}, true}, batch_of({3, 1}, {1, 0}), kHidden, 2),
            (std::vector<float>{3, 0, 5, 7}));
}

TEST(Pooling, GivesZerosWhenNothingIsLeft) {
  for (const PoolingMode mode : kAllModes) {
    const auto first = mode == PoolingMode::cls ? std::vector<float>{1, 10} : std::vector<float>{0, 0};
    // More prompt tokens than tokens: the text was cut inside the prompt.
    for (const std::int64_t prompt : {3, 9}) {
      const auto out = pooled({{mode}, false}, batch_of({3}, {prompt}), kHidden, 2);
      EXPECT_EQ(out, first) << to_string(mode);
    }
    EXPECT_EQ(pooled({{mode}}, batch_of({0}), {}, 2), (std::vector<float>{0, 0})) << to_string(mode);
  }
}

TEST(Pooling, PassesNanOn) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  for (const std::vector<float>& hidden : {std::vector<float>{nan, 1, 2}, {1, nan, 2}, {1, 2, nan}}) {
    for (const PoolingMode mode : {PoolingMode::max, PoolingMode::mean, PoolingMode::weighted_mean}) {
      EXPECT_TRUE(std::isnan(pooled({{mode}}, batch_of({3}), hidden, 1)[0])) << to_string(mode);
    }
  }
}

/// The definitions of sentence-transformers, one column at a time.
double naive(PoolingMode mode, const std::vector<double>& values, std::size_t skipped) {
  double sum = 0;
  double weights = 0;
  double max = -std::numeric_limits<double>::infinity();
  for (std::size_t i = skipped; i < values.size(); ++i) {
    const double weight = mode == PoolingMode::weighted_mean ? static_cast<double>(i + 1) : 1.0;
    sum += weight * values[i];
    weights += weight;
    max = std::max(max, values[i]);
  }
  switch (mode) {
    case PoolingMode::cls: return values[skipped];
    case PoolingMode::max: return max;
    case PoolingMode::mean_sqrt_len: return sum / std::sqrt(weights);
    case PoolingMode::last_token: return values.back();
    default: return sum / weights;
  }
}

TEST(Pooling, AgreesWithTheNaiveTwin) {
  const std::vector<std::int64_t> lengths = {1, 2, 7, 300, 33};
  const PackedBatch batch = batch_of(lengths, {0, 1, 3, 5, 0});
  double max_difference = 0;
  for (const std::int64_t cols : {1, 31, 256, 257, 600}) {
    const auto hidden = random_values(static_cast<std::size_t>(batch.total_tokens() * cols), 1);
    const auto out = pooled({kAllModes, false}, batch, hidden, cols);
    for (std::size_t text = 0; text < lengths.size(); ++text) {
      for (std::size_t m = 0; m < kAllModes.size(); ++m) {
        for (std::int64_t c = 0; c < cols; ++c) {
          std::vector<double> values;
          for (std::int64_t t = batch.offsets[text]; t < batch.offsets[text + 1]; ++t) {
            values.push_back(static_cast<double>(hidden[static_cast<std::size_t>(t * cols + c)]));
          }
          const double expected = naive(kAllModes[m], values, static_cast<std::size_t>(batch.prompt_tokens[text]));
          const auto at = (static_cast<std::int64_t>(text * kAllModes.size() + m)) * cols + c;
          max_difference =
              std::max(max_difference, std::abs(expected - static_cast<double>(out[static_cast<std::size_t>(at)])));
        }
      }
    }
  }
  EXPECT_LE(max_difference, 1e-6);
  RecordProperty("max_abs_difference", std::to_string(max_difference));
}

TEST(Pooling, GivesTheSameBitsInAnyBatchOnAnyThreads) {
  const std::int64_t cols = 300;
  const PackedBatch batch = batch_of({5, 64, 1, 17});
  const auto hidden = random_values(static_cast<std::size_t>(batch.total_tokens() * cols), 2);
  const PoolingConfig config{kAllModes};
  const auto together = pooled(config, batch, hidden, cols);
  ThreadPool threads(3);
  EXPECT_EQ(pooled(config, batch, hidden, cols, test::TestExecution(&threads)), together);
  const auto width = static_cast<std::ptrdiff_t>(pooled_width(config, cols));
  for (std::ptrdiff_t text = 0; text < 4; ++text) {
    const auto i = static_cast<std::size_t>(text);
    const std::vector<float> own(hidden.begin() + batch.offsets[i] * cols,
                                 hidden.begin() + batch.offsets[i + 1] * cols);
    const std::vector<float> expected(together.begin() + text * width, together.begin() + (text + 1) * width);
    EXPECT_EQ(pooled(config, batch_of({batch.length(text)}), own, cols), expected);
    EXPECT_EQ(pooled(config, batch_of({batch.length(text)}), own, cols, test::TestExecution(&threads)), expected);
  }
}

TEST(Pooling, RefusesShapesThatDisagree) {
  std::vector<float> out(4);
  const auto run = [&](std::int64_t tokens, std::int64_t rows, std::int64_t cols) {
    pool(test::TestExecution(), {{PoolingMode::mean}}, batch_of({3, 1}), {kHidden.data(), tokens, 2},
         {out.data(), rows, cols});
  };
  EXPECT_NO_THROW(run(4, 2, 2));
  EXPECT_THROW(run(3, 2, 2), Error);
  EXPECT_THROW(run(4, 1, 2), Error);
  EXPECT_THROW(run(4, 2, 1), Error);
}

TEST(Normalize, GivesLengthOne) {
  std::vector<float> x = {3, 4};
  l2_normalize(x);
  EXPECT_EQ(x, (std::vector<float>{0.6F, 0.8F}));
  auto values = random_values(37, 3);
  l2_normalize(values);
  double sum = 0;
  for (const float value : values) sum += static_cast<double>(value) * static_cast<double>(value);
  EXPECT_NEAR(sum, 1.0, 1e-6);
}

TEST(Normalize, KeepsZerosAndSurvivesTheExtremes) {
  std::vector<float> zeros(9);
  l2_normalize(zeros);
  EXPECT_EQ(zeros, std::vector<float>(9));
  std::vector<float> empty;
  l2_normalize(empty);

  // The square of this overflows float32; torch's own norm would be infinite.
  std::vector<float> large(4, std::numeric_limits<float>::max());
  l2_normalize(large);
  EXPECT_EQ(large, std::vector<float>(4, 0.5F));
  // Below the floor the vector is divided by 1e-12, as in torch.
  std::vector<float> tiny = {1e-20F, 0};
  l2_normalize(tiny);
  EXPECT_FLOAT_EQ(tiny[0], 1e-8F);
}

TEST(Normalize, PassesNanOn) {
  std::vector<float> x = {1, std::numeric_limits<float>::quiet_NaN()};
  l2_normalize(x);
  EXPECT_TRUE(std::isnan(x[0]));
  EXPECT_TRUE(std::isnan(x[1]));
}

}  // namespace
}  // namespace treble::internal
