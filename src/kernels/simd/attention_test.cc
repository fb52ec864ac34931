// The attention kernels against their reference implementation, on every instruction set this machine has.
#include <gtest/gtest.h>

#include <cmath>
#include <numbers>

#include "kernels/attention.h"
#include "kernels/compute_isa.h"
#include "kernels/reference/reference.h"
#include "kernels/simd/on_every_target.h"
#include "kernels/test_support.h"
#include "treble/error.h"

namespace treble::internal {
namespace {

struct AttentionCase {
  std::vector<std::int64_t> lengths = {};
  std::int64_t num_heads = 1;
  std::int64_t head_dim = 8;
  bool bias = false;
  bool temper_bias = true;
  float spread = 1.0F;
  std::int64_t heads_per_kv = 1;
  std::int64_t window_left = AttentionInputs::kUnlimited;
  std::int64_t window_right = AttentionInputs::kUnlimited;
  std::vector<std::int64_t> key_counts = {};
};

class AttentionFixture {
 public:
  explicit AttentionFixture(const AttentionCase& c) : width_(c.num_heads * c.head_dim), key_counts_(c.key_counts) {
    offsets_.push_back(0);
    for (const auto length : c.lengths) offsets_.push_back(offsets_.back() + length);
    const std::int64_t tokens = offsets_.back();
    // One odd column more than needed, so that rows are misaligned.
    stride_ = 3 * width_ + 1;
    qkv_ = test::random_values(tokens * stride_ + 1, 7, c.spread);
    for (std::int64_t i = 0; i < tokens * c.num_heads; ++i) scales_.push_back(0.5F + 0.25F * static_cast<float>(i % 5));
    const std::int64_t kv_width = width_ / c.heads_per_kv;
    inputs_.q = ConstMatrixView(qkv_.data() + 1, tokens, width_, stride_);
    inputs_.k = ConstMatrixView(qkv_.data() + 1 + width_, tokens, kv_width, stride_);
    inputs_.v = ConstMatrixView(qkv_.data() + 1 + 2 * width_, tokens, kv_width, stride_);
    inputs_.offsets = offsets_;
    inputs_.num_heads = c.num_heads;
    inputs_.num_kv_heads = c.num_heads / c.heads_per_kv;
    inputs_.qk_scale = 1.0F / std::sqrt(static_cast<float>(c.head_dim));
    inputs_.window_left = c.window_left;
    inputs_.window_right = c.window_right;
    inputs_.logit_scales = scales_;
    inputs_.key_counts = key_counts_;
    inputs_.temper_position_bias = c.temper_bias;
    if (!c.bias) return;
    inputs_.bias_max_length = *std::max_element(c.lengths.begin(), c.lengths.end()) + 3;
    const std::int64_t columns = 2 * inputs_.bias_max_length - 1;
    bias_ = test::random_values(c.num_heads * columns, 11);
    inputs_.position_bias = ConstMatrixView(bias_.data(), c.num_heads, columns);
  }

  double difference_to_reference() const {
    const auto fast = run(test::TestExecution());
    std::vector<float> slow(fast.size());
    reference::attention(inputs_, view(slow));
    return test::max_abs_difference(view(fast), view(slow));
  }

  std::vector<float> run(const Execution& execution) const {
    std::vector<float> out(static_cast<std::size_t>(offsets_.back() * width_), NAN);
    attention(execution, inputs_, view(out));
    return out;
  }

  /// Of queries, keys and values rounded to bfloat16, in float32.
  std::vector<float> run_rounded() {
    const auto exact = qkv_;
    round_to_bfloat16(exact, qkv_);
    auto out = run(test::TestExecution());
    qkv_ = exact;
    return out;
  }

  std::vector<std::uint16_t> run_bfloat16(const Execution& execution) const {
    const auto bf16 = test::to_bf16(qkv_);
    const auto narrow = [&](ConstMatrixView wide) {
      return ConstBfloat16View(bf16.data() + (wide.data - qkv_.data()), wide.rows, wide.cols, wide.stride);
    };
    Bfloat16AttentionInputs inputs;
    inputs.q = narrow(inputs_.q);
    inputs.k = narrow(inputs_.k);
    inputs.v = narrow(inputs_.v);
    inputs.offsets = inputs_.offsets;
    inputs.num_heads = inputs_.num_heads;
    inputs.num_kv_heads = inputs_.num_kv_heads;
    inputs.qk_scale = inputs_.qk_scale;
    inputs.logit_scales = inputs_.logit_scales;
    inputs.key_counts = inputs_.key_counts;
    inputs.window_left = inputs_.window_left;
    inputs.window_right = inputs_.window_right;
    inputs.position_bias = inputs_.position_bias;
    inputs.bias_max_length = inputs_.bias_max_length;
    inputs.temper_position_bias = inputs_.temper_position_bias;
    std::vector<std::uint16_t> out(static_cast<std::size_t>(offsets_.back() * width_));
    attention(execution, inputs, Bfloat16View(out.data(), offsets_.back(), width_));
    return out;
  }

  AttentionInputs& inputs() { return inputs_; }

 private:
  MatrixView view(std::vector<float>& values) const { return {values.data(), offsets_.back(), width_}; }
  ConstMatrixView view(const std::vector<float>& values) const { return {values.data(), offsets_.back(), width_}; }

  std::int64_t width_;
  std::int64_t stride_;
  std::vector<std::int64_t> key_counts_;
  std::vector<std::int64_t> offsets_;
  std::vector<float> qkv_;
  std::vector<float> scales_;
  std::vector<float> bias_;
  AttentionInputs inputs_;
};

/// Lengths around the blocks and tiles of every kernel, biases, windows, shared keys.
std::vector<AttentionCase> odd_cases() {
  return {
      {.lengths = {1}, .head_dim = 1},
      {.lengths = {1, 2, 3}, .num_heads = 2, .head_dim = 5},
      {.lengths = {7, 1, 24, 25}, .num_heads = 3},
      {.lengths = {16}, .num_heads = 2, .head_dim = 12},
      {.lengths = {33, 64}, .num_heads = 2, .head_dim = 32},
      {.lengths = {255, 256, 257}, .head_dim = 64},
      {.lengths = {600}, .num_heads = 2, .head_dim = 80},
      {.lengths = {40, 9}, .num_heads = 4, .head_dim = 16, .bias = true},
      {.lengths = {300, 17}, .num_heads = 2, .head_dim = 64, .bias = true, .temper_bias = false},
      {.lengths = {50, 3}, .num_heads = 6, .head_dim = 16, .heads_per_kv = 3},
      {.lengths = {300, 1}, .num_heads = 2, .head_dim = 16, .heads_per_kv = 2, .window_right = 0},
      {.lengths = {700, 30}, .num_heads = 2, .head_dim = 16, .window_left = 20, .window_right = 20},
      {.lengths = {700, 5}, .num_heads = 2, .head_dim = 16, .bias = true, .window_left = 64, .window_right = 0},
      {.lengths = {90}, .num_heads = 2, .window_left = 0, .window_right = 0},
      {.lengths = {600}, .num_heads = 1, .head_dim = 16, .window_left = 300, .window_right = 7},
      {.lengths = {32, 32, 5}, .num_heads = 2, .head_dim = 12, .key_counts = {7, 32, 5}},
      {.lengths = {300, 4}, .num_heads = 2, .head_dim = 16, .bias = true, .key_counts = {131, 1}},
      {.lengths = {32, 130, 70}, .head_dim = 20, .window_left = 4, .window_right = 4, .key_counts = {6, 40, 70}},
      {.lengths = {90}, .head_dim = 8, .window_right = 0, .key_counts = {3}},
      {.lengths = {9, 40}, .head_dim = 6, .key_counts = {0, 40}},
  };
}

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
  if (!supports_bf16_attention(2)) GTEST_SKIP() << "the CPU has no AVX512-BF16 with VBMI; attention stays in float32";
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

/// Numbers that bfloat16 holds exactly, and one key that takes all the weight: nothing is left to round.
TEST(BfloatAttention, IsExactWhereNothingIsRounded) {
  for (const std::int64_t length : {1, 9, 33, 150, 300}) {
    SCOPED_TRACE(length);
    constexpr std::int64_t kDim = 48;
    std::vector<float> q(static_cast<std::size_t>(length * kDim));
    std::vector<float> k(q.size());
    std::vector<float> v(q.size());
    for (std::int64_t i = 0; i < length; ++i) {
      // Token i asks for the key of i in twos and that of its mirror image has it, in 10 binary digits of ±16.
      for (std::int64_t digit = 0; digit < 10; ++digit) {
        const auto at = static_cast<std::size_t>(i * kDim + digit);
        q[at] = ((length - 1 - i) >> digit & 1) != 0 ? 16.0F : -16.0F;
        k[at] = (i >> digit & 1) != 0 ? 16.0F : -16.0F;
      }
      for (std::int64_t c = 0; c < kDim; ++c) {
        v[static_cast<std::size_t>(i * kDim + c)] = static_cast<float>((i * 7 + c * 3) % 251 - 125);
      }
    }
    const std::vector<std::int64_t> offsets = {0, length};
    const std::vector<float> scales(static_cast<std::size_t>(length), 1.0F);
    AttentionInputs inputs;
    inputs.q = ConstMatrixView(q.data(), length, kDim);
    inputs.k = ConstMatrixView(k.data(), length, kDim);
    inputs.v = ConstMatrixView(v.data(), length, kDim);
    inputs.offsets = offsets;
    inputs.num_heads = inputs.num_kv_heads = 1;
    inputs.logit_scales = scales;
    inputs.bfloat16 = true;
    std::vector<float> out(q.size());
    attention(test::TestExecution(), inputs, MatrixView(out.data(), length, kDim));
    for (std::int64_t i = 0; i < length; ++i) {
      for (std::int64_t c = 0; c < kDim; ++c) {
        const float wanted = v[static_cast<std::size_t>((length - 1 - i) * kDim + c)];
        ASSERT_NEAR(out[static_cast<std::size_t>(i * kDim + c)], wanted, 0.02F) << i << ", " << c;
      }
    }
  }
}

/// Of two keys the second has a score x below the first's: their weights' ratio is 2^−x, here for x that bfloat16
/// holds.
TEST(BfloatAttention, WeightsAreNearTheirPowersOfTwo) {
  constexpr std::int64_t kDim = 2;
  const std::vector<std::int64_t> offsets = {0, 2};
  const std::vector<float> scales(2, std::numbers::ln2_v<float>);
  const std::vector<float> q = {1, 0, 1, 0};
  const std::vector<float> v = {1, 0, 0, 1};
  for (int step = 0; step < 255; ++step) {
    const float x = static_cast<float>(step) / (step % 2 == 0 ? 32.0F : 8.0F);
    const std::vector<float> k = {0, 0, -x, 0};
    AttentionInputs inputs;
    inputs.q = ConstMatrixView(q.data(), 2, kDim);
    inputs.k = ConstMatrixView(k.data(), 2, kDim);
    inputs.v = ConstMatrixView(v.data(), 2, kDim);
    inputs.offsets = offsets;
    inputs.num_heads = inputs.num_kv_heads = 1;
    inputs.logit_scales = scales;
    inputs.bfloat16 = true;
    std::vector<float> out(4);
    attention(test::TestExecution(), inputs, MatrixView(out.data(), 2, kDim));
    // Half a 128th of x, and half a step of bfloat16.
    EXPECT_NEAR(out[1] / out[0] * std::exp2(x), 1.0F, 0.0028F + 0.0040F) << x;
  }
}

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
  AttentionFixture fixture({.lengths = {30, 41, 30}, .num_heads = 2, .head_dim = 16});
  std::vector<float> scales(2 * 101, 1.25F);
  fixture.inputs().logit_scales = scales;
  const auto together = fixture.run(test::TestExecution());
  const std::vector<std::int64_t> middle = {0, 41};
  AttentionInputs alone = fixture.inputs();
  alone.q = alone.q.row_range(30, 71);
  alone.k = alone.k.row_range(30, 71);
  alone.v = alone.v.row_range(30, 71);
  alone.offsets = middle;
  alone.logit_scales = std::span(scales).first(2 * 41);
  std::vector<float> out(41 * 32);
  attention(test::TestExecution(), alone, MatrixView(out.data(), 41, 32));
  EXPECT_TRUE(std::equal(out.begin(), out.end(), together.begin() + 30 * 32));
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
