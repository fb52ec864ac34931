#include "kernels/activation_ops.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "kernels/reference/reference.h"
#include "kernels/simd/on_every_target.h"
#include "kernels/test_support.h"
#include "treble/error.h"

namespace treble::internal {
namespace {

constexpr Activation kAll[] = {Activation::identity, Activation::gelu, Activation::gelu_tanh, Activation::relu,
                               Activation::silu,     Activation::tanh, Activation::sigmoid};

constexpr ActivationAccuracy kAccuracies[] = {ActivationAccuracy::float32, ActivationAccuracy::bfloat16};

double max_abs_error(Activation activation, ActivationAccuracy accuracy, const std::vector<float>& points) {
  auto values = points;
  activate(activation, MatrixView(values.data(), 1, static_cast<std::int64_t>(points.size())), accuracy);
  double max_error = 0;
  for (std::size_t i = 0; i < points.size(); ++i) {
    max_error = std::max(max_error, std::abs(values[i] - reference::activate(activation, points[i])));
  }
  return max_error;
}

TEST(Activate, EqualsTheDefinitionFromMinusTwentyToTwenty) {
  std::vector<float> points;
  for (int i = -20000; i <= 20000; ++i) points.push_back(static_cast<float>(i) * 1e-3F);
  for (const Activation activation : kAll) {
    SCOPED_TRACE(std::string(activation_name(activation)));
    test::on_every_target([&] {
      EXPECT_LE(max_abs_error(activation, ActivationAccuracy::float32, points), 2e-6);
      EXPECT_LE(max_abs_error(activation, ActivationAccuracy::bfloat16, points), 1.2e-4);
    });
  }
}

TEST(Activate, ExtremesAreFinite) {
  for (const Activation activation : kAll) {
    for (const ActivationAccuracy accuracy : kAccuracies) {
      test::on_every_target([&] {
        std::vector<float> values = {-1e30F, -1e4F, -100.0F, -89.0F, 0.0F, 89.0F, 100.0F, 1e4F, 1e30F};
        activate(activation, MatrixView(values.data(), 1, 9), accuracy);
        for (const float value : values) EXPECT_TRUE(std::isfinite(value)) << activation_name(activation);
      });
    }
  }
}

TEST(Activate, NotANumberShows) {
  for (const Activation activation : kAll) {
    for (const ActivationAccuracy accuracy : kAccuracies) {
      test::on_every_target([&] {
        std::vector<float> values(21, std::numeric_limits<float>::quiet_NaN());
        activate(activation, MatrixView(values.data(), 1, 21), accuracy);
        for (const float value : values) EXPECT_TRUE(std::isnan(value)) << activation_name(activation);
      });
    }
  }
}

/// Half a step of bfloat16, and the error allowed to the activation.
double bfloat16_tolerance(double value) { return std::abs(value) / 256 + 1.2e-4; }

TEST(Activate, Bfloat16EqualsTheDefinitionForOddSizesAndStrides) {
  for (const std::int64_t cols : {1, 7, 16, 33, 77}) {
    const auto x = test::to_bf16(test::random_values(3 * (cols + 2), 1, 3.0F));
    const auto exact = test::to_floats(x);
    for (const Activation activation : kAll) {
      test::on_every_target([&] {
        auto in_place = x;
        const Bfloat16View view(in_place.data(), 3, cols, cols + 2);
        std::vector<std::uint16_t> y(static_cast<std::size_t>(3 * cols));
        activate(activation, ConstBfloat16View(view), Bfloat16View(y.data(), 3, cols));
        activate(activation, view);
        const auto found = test::to_floats(y);
        for (std::int64_t row = 0; row < 3; ++row) {
          for (std::int64_t col = 0; col < cols + 2; ++col) {
            const auto at = static_cast<std::size_t>(row * (cols + 2) + col);
            if (col >= cols) {
              EXPECT_EQ(in_place[at], x[at]);
              continue;
            }
            const double wanted = reference::activate(activation, exact[at]);
            const auto to = static_cast<std::size_t>(row * cols + col);
            EXPECT_NEAR(found[to], wanted, bfloat16_tolerance(wanted)) << activation_name(activation);
            EXPECT_EQ(in_place[at], y[to]);
          }
        }
      });
    }
  }
}

TEST(Activate, NotANumberShowsInBfloat16) {
  for (const Activation activation : kAll) {
    test::on_every_target([&] {
      std::vector<std::uint16_t> values(42, 0x7FFF);
      std::fill_n(values.begin(), 21, std::uint16_t{0xFF81});
      activate(activation, Bfloat16View(values.data(), 2, 21));
      for (const float value : test::to_floats(values)) EXPECT_TRUE(std::isnan(value)) << activation_name(activation);
    });
  }
}

TEST(Activate, RefusesShapesThatDisagree) {
  std::vector<float> values(12);
  EXPECT_THROW(activate(Activation::silu, ConstMatrixView(values.data(), 2, 3), MatrixView(values.data(), 2, 2)),
               Error);
}

TEST(ActivateGated, Bfloat16EqualsTheDefinition) {
  for (const std::int64_t cols : {1, 16, 33}) {
    const auto values = test::to_bf16(test::random_values(3 * (2 * cols + 1), 1, 2.0F));
    const auto exact = test::to_floats(values);
    const ConstBfloat16View gate(values.data(), 3, cols, 2 * cols + 1);
    const ConstBfloat16View up(values.data() + cols, 3, cols, 2 * cols + 1);
    for (const Activation activation : kAll) {
      test::on_every_target([&] {
        std::vector<std::uint16_t> out(static_cast<std::size_t>(3 * cols));
        activate_gated(activation, gate, up, Bfloat16View(out.data(), 3, cols));
        const auto found = test::to_floats(out);
        for (std::int64_t row = 0; row < 3; ++row) {
          for (std::int64_t col = 0; col < cols; ++col) {
            const auto at = static_cast<std::size_t>(row * (2 * cols + 1) + col);
            const double factor = exact[at + static_cast<std::size_t>(cols)];
            const double wanted = reference::activate(activation, exact[at]) * factor;
            EXPECT_NEAR(found[static_cast<std::size_t>(row * cols + col)], wanted,
                        std::abs(wanted) / 256 + 1.2e-4 * std::abs(factor));
          }
        }
      });
    }
  }
}

TEST(ActivateGated, EqualsTheDefinitionForOddSizesAndStrides) {
  for (const std::int64_t cols : {1, 7, 16, 33}) {
    const auto values = test::random_values(3 * (2 * cols + 1), 1, 2.0F);
    const ConstMatrixView gate(values.data(), 3, cols, 2 * cols + 1);
    const ConstMatrixView up(values.data() + cols, 3, cols, 2 * cols + 1);
    for (const Activation activation : kAll) {
      test::on_every_target([&] {
        std::vector<float> out(static_cast<std::size_t>(3 * cols));
        activate_gated(activation, gate, up, MatrixView(out.data(), 3, cols));
        for (std::int64_t row = 0; row < 3; ++row) {
          for (std::int64_t col = 0; col < cols; ++col) {
            const double wanted = reference::activate(activation, gate.row(row)[col]) * double{up.row(row)[col]};
            EXPECT_NEAR(out[static_cast<std::size_t>(row * cols + col)], wanted, 5e-6);
          }
        }
      });
    }
  }
}

TEST(ActivateGated, RefusesShapesThatDisagree) {
  std::vector<float> values(12);
  EXPECT_THROW(activate_gated(Activation::silu, ConstMatrixView(values.data(), 2, 3),
                              ConstMatrixView(values.data(), 2, 2), MatrixView(values.data(), 2, 3)),
               Error);
}

}  // namespace
}  // namespace treble::internal
