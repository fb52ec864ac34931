// Cases of attention beside their reference, and expectations that every kernel in bfloat16 meets; for the kernels'
// tests.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <numbers>
#include <ostream>
#include <span>
#include <vector>

#include "kernels/attention.h"
#include "kernels/attention_by.h"
#include "kernels/reference/reference.h"
#include "kernels/simd/attention_head.h"
#include "kernels/test_support.h"

namespace treble::internal::test {

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
  /// Queries and keys that bfloat16 holds, scaled by powers of 2 in units of log₂: kernels round none of them, so that
  /// logits of any size agree with the reference's. Values have a spread of 1.
  bool exact_scores = false;
};

inline std::ostream& operator<<(std::ostream& out, const AttentionCase& c) {
  out << "lengths";
  for (const auto length : c.lengths) out << ' ' << length;
  out << ", heads " << c.num_heads << '/' << c.heads_per_kv << " of " << c.head_dim << ", bias " << c.bias
      << c.temper_bias << ", spread " << c.spread << ", window " << c.window_left << ' ' << c.window_right << ", keys";
  for (const auto count : c.key_counts) out << ' ' << count;
  return out << (c.exact_scores ? ", exact scores" : "");
}

class AttentionFixture {
 public:
  explicit AttentionFixture(const AttentionCase& c, unsigned seed = 7)
      : width_(c.num_heads * c.head_dim), key_counts_(c.key_counts) {
    offsets_.push_back(0);
    for (const auto length : c.lengths) offsets_.push_back(offsets_.back() + length);
    const std::int64_t tokens = offsets_.back();
    // One odd column more than needed, so that rows are misaligned.
    stride_ = 3 * width_ + 1;
    qkv_ = random_values(tokens * stride_ + 1, seed, c.spread);
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
    if (c.exact_scores) make_scores_exact(c.spread);
    if (!c.bias) return;
    inputs_.bias_max_length = *std::max_element(c.lengths.begin(), c.lengths.end()) + 3;
    const std::int64_t columns = 2 * inputs_.bias_max_length - 1;
    bias_ = random_values(c.num_heads * columns, 11);
    inputs_.position_bias = ConstMatrixView(bias_.data(), c.num_heads, columns);
  }

  double difference_to_reference() const { return difference(run(TestExecution())); }
  /// By a kernel, of float32 inputs.
  double difference_to_reference(const simd::HeadKernel<float>& kernel) const {
    return difference(run(TestExecution(), &kernel));
  }

  /// By the kernel that `attention` chooses, or by that one.
  std::vector<float> run(const Execution& execution, const simd::HeadKernel<float>* kernel = nullptr) const {
    std::vector<float> out(static_cast<std::size_t>(offsets_.back() * width_), NAN);
    if (kernel == nullptr) {
      attention(execution, inputs_, view(out));
    } else {
      attention_by(*kernel, execution, inputs_, view(out));
    }
    return out;
  }

  /// Of queries, keys and values rounded to bfloat16, in float32.
  std::vector<float> run_rounded(const simd::HeadKernel<float>* kernel = nullptr) {
    const auto exact = qkv_;
    round_to_bfloat16(exact, qkv_);
    auto out = run(TestExecution(), kernel);
    qkv_ = exact;
    return out;
  }

  std::vector<std::uint16_t> run_bfloat16(const Execution& execution,
                                          const simd::HeadKernel<std::uint16_t>* kernel = nullptr) const {
    const auto bf16 = to_bf16(qkv_);
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
    const Bfloat16View to(out.data(), offsets_.back(), width_);
    if (kernel == nullptr) {
      attention(execution, inputs, to);
    } else {
      attention_by(*kernel, execution, inputs, to);
    }
    return out;
  }

  AttentionInputs& inputs() { return inputs_; }

 private:
  MatrixView view(std::vector<float>& values) const { return {values.data(), offsets_.back(), width_}; }
  ConstMatrixView view(const std::vector<float>& values) const { return {values.data(), offsets_.back(), width_}; }

  double difference(const std::vector<float>& fast) const {
    std::vector<float> slow(fast.size());
    reference::attention(inputs_, view(slow));
    return max_abs_difference(view(fast), view(slow));
  }

  void make_scores_exact(float spread) {
    for (std::int64_t row = 0; row < inputs_.v.rows; ++row) {
      float* values = qkv_.data() + (inputs_.v.row(row) - qkv_.data());
      for (std::int64_t c = 0; c < inputs_.v.cols; ++c) values[c] /= spread;
    }
    const auto exact = qkv_;
    round_to_bfloat16(exact, qkv_);
    for (std::size_t i = 0; i < scales_.size(); ++i) scales_[i] = 0.5F * static_cast<float>(1U << i % 3);
    inputs_.qk_scale = std::numbers::ln2_v<float>;
  }

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
inline std::vector<AttentionCase> odd_cases() {
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

/// attend(inputs, out): numbers that bfloat16 holds exactly, and one key that takes all the weight: nothing is left to
/// round.
template <typename Attend>
void expect_exact_where_nothing_is_rounded(const Attend& attend) {
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
    attend(inputs, MatrixView(out.data(), length, kDim));
    for (std::int64_t i = 0; i < length; ++i) {
      for (std::int64_t c = 0; c < kDim; ++c) {
        const float wanted = v[static_cast<std::size_t>((length - 1 - i) * kDim + c)];
        ASSERT_NEAR(out[static_cast<std::size_t>(i * kDim + c)], wanted, 0.02F) << i << ", " << c;
      }
    }
  }
}

/// Likewise: of two keys the second has a score x below the first's: their weights' ratio is 2^−x, here for x that
/// bfloat16 holds.
template <typename Attend>
void expect_powers_of_two(const Attend& attend) {
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
    attend(inputs, MatrixView(out.data(), 2, kDim));
    // Half a 128th of x, and half a step of bfloat16.
    EXPECT_NEAR(out[1] / out[0] * std::exp2(x), 1.0F, 0.0028F + 0.0040F) << x;
  }
}

/// The second sequence of a case with one key and value head for each query head is bit for bit what it is alone.
inline void expect_same_without_its_batch(const AttentionCase& c, const simd::HeadKernel<float>* kernel = nullptr) {
  AttentionFixture fixture(c);
  const std::int64_t begin = c.lengths[0];
  const std::int64_t length = c.lengths[1];
  const std::int64_t width = c.num_heads * c.head_dim;
  // One scale for all, as a sequence's are not next to each other.
  const std::vector<float> scales(static_cast<std::size_t>(fixture.inputs().q.rows * c.num_heads), 1.25F);
  fixture.inputs().logit_scales = scales;
  const auto together = fixture.run(TestExecution(), kernel);
  const std::vector<std::int64_t> offsets = {0, length};
  AttentionInputs alone = fixture.inputs();
  alone.q = alone.q.row_range(begin, begin + length);
  alone.k = alone.k.row_range(begin, begin + length);
  alone.v = alone.v.row_range(begin, begin + length);
  alone.offsets = offsets;
  alone.logit_scales = std::span(scales).first(static_cast<std::size_t>(c.num_heads * length));
  std::vector<float> out(static_cast<std::size_t>(length * width));
  const MatrixView to(out.data(), length, width);
  if (kernel == nullptr) {
    attention(TestExecution(), alone, to);
  } else {
    attention_by(*kernel, TestExecution(), alone, to);
  }
  EXPECT_TRUE(std::equal(out.begin(), out.end(), together.begin() + begin * width));
}

}  // namespace treble::internal::test
