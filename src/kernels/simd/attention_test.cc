// The attention kernels against their reference implementation, on every instruction set this machine has.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "kernels/attention.h"
#include "kernels/compute_isa.h"
#include "kernels/simd/attention_fixture.h"
#include "kernels/simd/on_every_target.h"
#include "kernels/test_support.h"
#include "treble/error.h"

namespace treble::internal {
namespace {

using test::AttentionCase;
using test::AttentionFixture;
using test::odd_cases;

void chosen_attention(const AttentionInputs& inputs, MatrixView out) { attention(test::TestExecution(), inputs, out); }

TEST(Attention, MatchesReferenceForOddSizes) {
  for (const auto& c : odd_cases()) {
    SCOPED_TRACE(::testing::Message() << "first length " << c.lengths.front() << ", head_dim " << c.head_dim);
    const AttentionFixture fixture(c);
    test::on_every_target([&] { EXPECT_LE(fixture.difference_to_reference(), 5e-6); });
  }
}

/// Where the CPU does not multiply bfloat16 this is the float32 kernel again.
TEST(BfloatAttention, StaysCloseToTheReference) {
  for (const auto& c : odd_cases()) {
    SCOPED_TRACE(::testing::Message() << "first length " << c.lengths.front() << ", head_dim " << c.head_dim);
    AttentionFixture fixture(c);
    fixture.inputs().bfloat16 = true;
    EXPECT_LE(fixture.difference_to_reference(), 0.02);
  }
}

/// From and to bfloat16 it computes what it computes of the same numbers in float32.
TEST(BfloatAttention, ReadsAndWritesBfloat16) {
  if (!supports_bf16_attention(2)) GTEST_SKIP() << "attention stays in float32 on this CPU (docs/performance.md)";
  for (const auto& c : odd_cases()) {
    if (c.head_dim % 2 != 0) continue;
    SCOPED_TRACE(::testing::Message() << "first length " << c.lengths.front() << ", head_dim " << c.head_dim);
    AttentionFixture fixture(c);
    fixture.inputs().bfloat16 = true;
    const auto wanted = fixture.run_rounded();
    const auto found = fixture.run_bfloat16(test::TestExecution());
    EXPECT_EQ(found, test::to_bf16(wanted));
    ThreadPool pool(3);
    EXPECT_EQ(fixture.run_bfloat16(test::TestExecution(&pool)), found);
  }
}

TEST(BfloatAttention, RefusesWhatItHasNot) {
  AttentionFixture fixture({.lengths = {3}, .head_dim = 5});
  EXPECT_THROW(fixture.run_bfloat16(test::TestExecution()), Error);
}

TEST(BfloatAttention, IsExactWhereNothingIsRounded) { test::expect_exact_where_nothing_is_rounded(chosen_attention); }

TEST(BfloatAttention, WeightsAreNearTheirPowersOfTwo) { test::expect_powers_of_two(chosen_attention); }

TEST(Attention, NotANumberShows) {
  for (const bool bfloat16 : {false, true}) {
    for (const std::size_t at : {std::size_t{5}, std::size_t{40 * 25 + 20}, std::size_t{60 * 25 + 10}}) {
      AttentionFixture fixture({.lengths = {70}, .num_heads = 1, .head_dim = 8});
      fixture.inputs().bfloat16 = bfloat16;
      const_cast<float*>(fixture.inputs().q.data)[at] = NAN;
      test::on_every_target([&] {
        const auto out = fixture.run(test::TestExecution());
        EXPECT_TRUE(std::any_of(out.begin(), out.end(), [](float value) { return std::isnan(value); })) << at;
      });
    }
  }
}

/// A bias that is easy to compute twice.
class DistanceBias : public LogitBias {
 public:
  void add(std::int64_t sequence, std::int64_t head, std::int64_t row, std::int64_t first_key, float scale,
           std::span<float> logits) const override {
    for (std::size_t j = 0; j < logits.size(); ++j) {
      const auto key = first_key + static_cast<std::int64_t>(j);
      logits[j] += scale * 0.1F * static_cast<float>((key - row) % 7 + head - sequence);
    }
  }
};

TEST(Attention, ALogitBiasIsAddedToEveryBlock) {
  const DistanceBias logit_bias;
  for (const bool bias : {false, true}) {
    for (const std::int64_t reach : {AttentionInputs::kUnlimited, std::int64_t{150}}) {
      AttentionFixture fixture(
          {.lengths = {601, 20, 3}, .num_heads = 2, .head_dim = 16, .bias = bias, .window_left = reach});
      fixture.inputs().logit_bias = &logit_bias;
      test::on_every_target([&] { EXPECT_LE(fixture.difference_to_reference(), 5e-6) << bias << ' ' << reach; });
      const std::vector<std::int64_t> key_counts = {129, 20, 1};
      fixture.inputs().key_counts = key_counts;
      test::on_every_target([&] { EXPECT_LE(fixture.difference_to_reference(), 5e-6) << bias << ' ' << reach; });
    }
  }
}

TEST(Attention, LargeLogitsDoNotOverflow) {
  AttentionFixture fixture({.lengths = {300, 5}, .num_heads = 2, .head_dim = 32, .spread = 30.0F});
  for (const bool bfloat16 : {false, true}) {
    fixture.inputs().bfloat16 = bfloat16;
    test::on_every_target([&] {
      for (const float value : fixture.run(test::TestExecution())) ASSERT_TRUE(std::isfinite(value));
    });
  }
}

TEST(Attention, ManyThreadsGiveTheSameBits) {
  const AttentionFixture fixture({.lengths = {120, 3, 77}, .num_heads = 5, .head_dim = 16});
  ThreadPool pool(3);
  EXPECT_EQ(fixture.run(test::TestExecution()), fixture.run(test::TestExecution(&pool)));
}

TEST(Attention, ASequenceDoesNotDependOnItsBatch) {
  test::expect_same_without_its_batch({.lengths = {30, 41, 30}, .num_heads = 2, .head_dim = 16});
}

TEST(Attention, RefusesShapesThatDisagree) {
  AttentionFixture fixture({.lengths = {4}, .num_heads = 2});
  fixture.inputs().logit_scales = fixture.inputs().logit_scales.first(1);
  EXPECT_THROW(fixture.run(test::TestExecution()), Error);
}

TEST(Attention, RefusesMoreKeysThanThereAre) {
  AttentionFixture fixture({.lengths = {4, 2}, .key_counts = {3, 3}});
  EXPECT_THROW(fixture.run(test::TestExecution()), Error);
  fixture.inputs().key_counts = fixture.inputs().key_counts.first(1);
  EXPECT_THROW(fixture.run(test::TestExecution()), Error);
}

TEST(Attention, RefusesTextsBeyondTheBias) {
  AttentionFixture fixture({.lengths = {4}, .num_heads = 2, .bias = true});
  fixture.inputs().bias_max_length = 3;
  fixture.inputs().position_bias.cols = 5;
  EXPECT_THROW(fixture.run(test::TestExecution()), Error);
}

}  // namespace
}  // namespace treble::internal
