// Row operations against their reference implementations, on every instruction set this machine has.
#include "kernels/row_ops.h"

#include <gtest/gtest.h>

#include <cmath>
#include <numeric>

#include "kernels/reference/reference.h"
#include "kernels/simd/on_every_target.h"
#include "kernels/test_support.h"

namespace treble::internal {
namespace {

TEST(LayerNormKernel, MatchesReferenceForOddSizes) {
  for (const std::int64_t cols : {1, 3, 8, 17, 48, 384, 771}) {
    SCOPED_TRACE(cols);
    auto values = test::random_values(5 * cols + 1, 3, 4.0F);
    const auto gain = test::random_values(cols, 4);
    const auto bias = test::random_values(cols, 5);
    test::on_every_target([&] {
      std::vector<float> fast(values.size());
      std::vector<float> slow(values.size());
      const ConstMatrixView x(values.data() + 1, 5, cols);
      const MatrixView fast_view(fast.data() + 1, 5, cols);
      const MatrixView slow_view(slow.data() + 1, 5, cols);
      layer_norm(test::TestExecution(), gain, bias, 1e-5F, x, fast_view);
      reference::layer_norm(x, gain, bias, 1e-5, slow_view);
      EXPECT_LE(test::max_abs_difference(fast_view, slow_view), 5e-6);
      rms_norm(test::TestExecution(), gain, 1e-5F, x, fast_view);
      reference::rms_norm(x, gain, 1e-5, slow_view);
      EXPECT_LE(test::max_abs_difference(fast_view, slow_view), 5e-6);
    });
  }
}

TEST(NormKernels, WorkInPlaceAndWithoutBias) {
  auto values = test::random_values(40, 3);
  const std::vector<float> gain(20, 1.5F);
  std::vector<float> apart(40);
  layer_norm(test::TestExecution(), gain, {}, 1e-5F, ConstMatrixView(values.data(), 2, 20),
             MatrixView(apart.data(), 2, 20));
  layer_norm(test::TestExecution(), gain, {}, 1e-5F, ConstMatrixView(values.data(), 2, 20),
             MatrixView(values.data(), 2, 20));
  EXPECT_EQ(values, apart);
}

TEST(RotateHalves, RotatesPairsByTheirAngle) {
  for (const std::size_t half : {1U, 4U, 9U, 32U}) {
    std::vector<float> head = test::random_values(static_cast<std::int64_t>(2 * half), 1);
    const auto before = head;
    std::vector<float> cos(half);
    std::vector<float> sin(half);
    for (std::size_t i = 0; i < half; ++i) {
      cos[i] = std::cos(0.3F * static_cast<float>(i));
      sin[i] = std::sin(0.3F * static_cast<float>(i));
    }
    test::on_every_target([&] {
      head = before;
      rotate_halves(cos, sin, head);
      for (std::size_t i = 0; i < half; ++i) {
        EXPECT_NEAR(head[i], before[i] * cos[i] - before[half + i] * sin[i], 1e-6);
        EXPECT_NEAR(head[half + i], before[half + i] * cos[i] + before[i] * sin[i], 1e-6);
      }
    });
  }
}

TEST(LayerNormKernel, ConstantRowsGiveTheBias) {
  std::vector<float> row(40, 1e6F);
  const std::vector<float> gain(40, 2.0F);
  const std::vector<float> bias(40, 0.5F);
  layer_norm(test::TestExecution(), gain, bias, 1e-12F, ConstMatrixView(row.data(), 1, 40),
             MatrixView(row.data(), 1, 40));
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
}  // namespace treble::internal
