// The vectorised kernels against their naive twins, on every instruction set this machine has.
#include <gtest/gtest.h>

#include <cmath>
#include <numeric>

#include "kernels/attention.h"
#include "kernels/reference/reference.h"
#include "kernels/row_ops.h"
#include "kernels/simd/on_every_target.h"
#include "kernels/test_support.h"
#include "treble/error.h"

namespace treble {
namespace {

struct AttentionCase {
  std::vector<std::int64_t> lengths;
  std::int64_t num_heads;
  std::int64_t head_dim;
  bool bias = false;
  bool temper_bias = true;
  float spread = 1.0F;
};

class AttentionFixture {
 public:
  explicit AttentionFixture(const AttentionCase& c) : width_(c.num_heads * c.head_dim) {
    offsets_.push_back(0);
    for (const auto length : c.lengths) offsets_.push_back(offsets_.back() + length);
    const std::int64_t tokens = offsets_.back();
    // One odd column more than needed, so that rows are misaligned.
    stride_ = 3 * width_ + 1;
    qkv_ = test::random_values(tokens * stride_ + 1, 7, c.spread);
    for (std::size_t i = 0; i < c.lengths.size() * static_cast<std::size_t>(c.num_heads); ++i) {
      scales_.push_back(0.5F + 0.25F * static_cast<float>(i % 5));
    }
    inputs_.q = ConstMatrixView(qkv_.data() + 1, tokens, width_, stride_);
    inputs_.k = ConstMatrixView(qkv_.data() + 1 + width_, tokens, width_, stride_);
    inputs_.v = ConstMatrixView(qkv_.data() + 1 + 2 * width_, tokens, width_, stride_);
    inputs_.offsets = offsets_;
    inputs_.num_heads = c.num_heads;
    inputs_.logit_scales = scales_;
    inputs_.temper_position_bias = c.temper_bias;
    if (!c.bias) return;
    inputs_.bias_reach = *std::max_element(c.lengths.begin(), c.lengths.end()) + 3;
    const std::int64_t columns = 2 * inputs_.bias_reach - 1;
    bias_ = test::random_values(c.num_heads * columns, 11);
    inputs_.position_bias = ConstMatrixView(bias_.data(), c.num_heads, columns);
  }

  double difference_to_reference() const {
    const auto fast = run(Execution{});
    std::vector<float> slow(fast.size());
    reference::attention(inputs_, view(slow));
    return test::greatest_difference(view(fast), view(slow));
  }

  std::vector<float> run(const Execution& execution) const {
    std::vector<float> out(static_cast<std::size_t>(offsets_.back() * width_), NAN);
    std::vector<AttentionScratch> scratch;
    attention(execution, inputs_, scratch, view(out));
    return out;
  }

  AttentionInputs& inputs() { return inputs_; }

 private:
  MatrixView view(std::vector<float>& values) const { return {values.data(), offsets_.back(), width_}; }
  ConstMatrixView view(const std::vector<float>& values) const { return {values.data(), offsets_.back(), width_}; }

  std::int64_t width_;
  std::int64_t stride_;
  std::vector<std::int64_t> offsets_;
  std::vector<float> qkv_;
  std::vector<float> scales_;
  std::vector<float> bias_;
  AttentionInputs inputs_;
};

TEST(Attention, EqualsNaiveTwinForOddSizes) {
  const std::vector<AttentionCase> cases = {
      {{1}, 1, 1},
      {{1, 2, 3}, 2, 5},
      {{7, 1, 24, 25}, 3, 8},
      {{16}, 2, 12},
      {{33, 64}, 2, 32},
      {{255, 256, 257}, 1, 64},
      {{600}, 2, 80},
      {{40, 9}, 4, 16, true, true},
      {{300, 17}, 2, 64, true, false},
  };
  for (const auto& c : cases) {
    SCOPED_TRACE(::testing::Message() << "first length " << c.lengths.front() << ", head_dim " << c.head_dim);
    const AttentionFixture fixture(c);
    test::on_every_target([&] { EXPECT_LE(fixture.difference_to_reference(), 5e-6); });
  }
}

TEST(Attention, LargeLogitsDoNotOverflow) {
  const AttentionFixture fixture({{300, 5}, 2, 32, false, true, 30.0F});
  test::on_every_target([&] {
    for (const float value : fixture.run(Execution{})) ASSERT_TRUE(std::isfinite(value));
  });
}

TEST(Attention, ManyThreadsGiveTheSameBits) {
  const AttentionFixture fixture({{120, 3, 77}, 5, 16});
  ThreadPool pool(3);
  EXPECT_EQ(fixture.run(Execution{}), fixture.run(Execution{&pool}));
}

TEST(Attention, ASequenceDoesNotSeeItsCompanions) {
  AttentionFixture fixture({{30, 41, 30}, 2, 16});
  std::vector<float> scales(6, 1.25F);
  fixture.inputs().logit_scales = scales;
  const auto together = fixture.run(Execution{});
  const std::vector<std::int64_t> middle = {0, 41};
  AttentionInputs alone = fixture.inputs();
  alone.q = alone.q.row_range(30, 71);
  alone.k = alone.k.row_range(30, 71);
  alone.v = alone.v.row_range(30, 71);
  alone.offsets = middle;
  alone.logit_scales = std::span(scales).first(2);
  std::vector<float> out(41 * 32);
  std::vector<AttentionScratch> scratch;
  attention(Execution{}, alone, scratch, MatrixView(out.data(), 41, 32));
  EXPECT_TRUE(std::equal(out.begin(), out.end(), together.begin() + 30 * 32));
}

TEST(Attention, RefusesShapesThatDisagree) {
  AttentionFixture fixture({{4}, 2, 8});
  fixture.inputs().logit_scales = fixture.inputs().logit_scales.first(1);
  EXPECT_THROW(fixture.run(Execution{}), Error);
}

TEST(Attention, RefusesTextsBeyondTheBias) {
  AttentionFixture fixture({{4}, 2, 8, true});
  fixture.inputs().bias_reach = 3;
  fixture.inputs().position_bias.cols = 5;
  EXPECT_THROW(fixture.run(Execution{}), Error);
}

TEST(LayerNormKernel, EqualsNaiveTwinForOddSizes) {
  for (const std::int64_t cols : {1, 3, 8, 17, 48, 384, 771}) {
    SCOPED_TRACE(cols);
    auto values = test::random_values(5 * cols + 1, 3, 4.0F);
    const auto gain = test::random_values(cols, 4);
    const auto bias = test::random_values(cols, 5);
    test::on_every_target([&] {
      auto fast = values;
      std::vector<float> slow(values.size());
      const MatrixView fast_view(fast.data() + 1, 5, cols);
      layer_norm(Execution{}, gain, bias, 1e-5F, fast_view);
      const MatrixView slow_view(slow.data() + 1, 5, cols);
      reference::layer_norm(ConstMatrixView(values.data() + 1, 5, cols), gain, bias, 1e-5F, slow_view);
      EXPECT_LE(test::greatest_difference(fast_view, slow_view), 5e-6);
    });
  }
}

TEST(LayerNormKernel, ConstantRowsGiveTheBias) {
  std::vector<float> row(40, 1e6F);
  const std::vector<float> gain(40, 2.0F);
  const std::vector<float> bias(40, 0.5F);
  layer_norm(Execution{}, gain, bias, 1e-12F, MatrixView(row.data(), 1, 40));
  for (const float value : row) EXPECT_FLOAT_EQ(value, 0.5F);
}

TEST(AddRow, AddsEveryElement) {
  test::on_every_target([] {
    for (const std::size_t size : {0U, 1U, 7U, 8U, 33U}) {
      std::vector<float> x(size);
      std::iota(x.begin(), x.end(), 1.0F);
      std::vector<float> y(size, 0.5F);
      add_row(x, y);
      for (std::size_t i = 0; i < size; ++i) EXPECT_EQ(y[i], static_cast<float>(i) + 1.5F);
    }
  });
}

}  // namespace
}  // namespace treble
