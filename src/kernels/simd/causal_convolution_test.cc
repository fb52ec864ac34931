// The causal convolution and softplus against their definitions, on every instruction set this machine has.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "kernels/reference/reference.h"
#include "kernels/selective_scan.h"
#include "kernels/simd/on_every_target.h"
#include "kernels/test_support.h"
#include "treble/error.h"

namespace treble::internal {
namespace {

constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();

class ConvolutionFixture {
 public:
  ConvolutionFixture(std::vector<std::int64_t> lengths, std::int64_t kernel, std::int64_t channels,
                     bool with_bias = true)
      : channels_(channels), weight_(test::random_values(kernel * channels, 1)) {
    offsets_.push_back(0);
    for (const auto length : lengths) offsets_.push_back(offsets_.back() + length);
    if (with_bias) bias_ = test::random_values(channels, 2);
    values_ = test::random_values(offsets_.back() * (channels + 3) + 1, 3);
    history_ = test::random_values(static_cast<std::int64_t>(lengths.size()) * (kernel - 1) * channels, 4);
    convolution_ = {weight_, bias_, kernel};
  }

  ConstMatrixView x() const { return {values_.data() + 1, offsets_.back(), channels_, channels_ + 3}; }
  std::vector<float>& values() { return values_; }

  /// y, then the history.
  std::vector<float> run(const Execution& execution, bool with_history) const {
    std::vector<float> y(static_cast<std::size_t>(offsets_.back() * channels_), kNaN);
    std::vector<float> history = with_history ? history_ : std::vector<float>();
    causal_convolution(execution, convolution_, offsets_, history, x(), {y.data(), offsets_.back(), channels_});
    y.insert(y.end(), history.begin(), history.end());
    return y;
  }

  std::vector<float> run_reference(bool with_history) const {
    std::vector<float> y(static_cast<std::size_t>(offsets_.back() * channels_), kNaN);
    std::vector<float> history = with_history ? history_ : std::vector<float>();
    reference::causal_convolution(convolution_, offsets_, history, x(), {y.data(), offsets_.back(), channels_});
    y.insert(y.end(), history.begin(), history.end());
    return y;
  }

 private:
  std::int64_t channels_;
  std::vector<std::int64_t> offsets_;
  std::vector<float> weight_;
  std::vector<float> bias_;
  std::vector<float> values_;
  std::vector<float> history_;
  CausalConvolution convolution_;
};

double max_difference(const std::vector<float>& a, const std::vector<float>& b) {
  EXPECT_EQ(a.size(), b.size());
  const auto size = static_cast<std::int64_t>(a.size());
  return test::max_abs_difference(ConstMatrixView(a.data(), 1, size), ConstMatrixView(b.data(), 1, size));
}

TEST(CausalConvolution, MatchesReferenceForOddSizes) {
  for (const std::int64_t kernel : {1, 2, 4, 7, 11}) {
    for (const std::int64_t channels : {1, 7, 16, 37, 515}) {
      const ConvolutionFixture fixture({5, 0, 1, 2, 40}, kernel, channels, kernel != 2);
      for (const bool with_history : {false, true}) {
        SCOPED_TRACE(testing::Message() << "kernel " << kernel << ", channels " << channels << " " << with_history);
        const auto wanted = fixture.run_reference(with_history);
        ThreadPool pool(3);
        test::on_every_target([&] {
          const auto found = fixture.run(test::TestExecution(), with_history);
          EXPECT_LE(max_difference(found, wanted), 5e-6);
          EXPECT_EQ(fixture.run(test::TestExecution(&pool), with_history), found);
        });
      }
    }
  }
}

TEST(CausalConvolution, CutAndContinuedIsTheWhole) {
  const std::vector<float> weight = test::random_values(4 * 19, 1);
  const std::vector<float> x = test::random_values(30 * 19, 2);
  const CausalConvolution convolution = {weight, {}, 4};
  test::on_every_target([&] {
    const auto run = [&](std::int64_t begin, std::int64_t end, std::vector<float>& history, std::vector<float>& y) {
      const std::vector<std::int64_t> offsets = {0, end - begin};
      causal_convolution(test::TestExecution(), convolution, offsets, history,
                         ConstMatrixView(x.data() + begin * 19, end - begin, 19),
                         MatrixView(y.data() + begin * 19, end - begin, 19));
    };
    std::vector<float> whole_history(3 * 19);
    std::vector<float> whole(x.size());
    run(0, 30, whole_history, whole);
    std::vector<float> history(3 * 19);
    std::vector<float> y(x.size());
    for (const auto& [begin, end] : {std::pair{0, 1}, {1, 2}, {2, 2}, {2, 4}, {4, 17}, {17, 30}})
      run(begin, end, history, y);
    EXPECT_EQ(y, whole);
    EXPECT_EQ(history, whole_history);
  });
}

TEST(CausalConvolution, NotANumberShowsForAKernel) {
  ConvolutionFixture fixture({20}, 4, 21);
  for (std::int64_t channel : {0, 20}) {
    fixture.values()[static_cast<std::size_t>(fixture.x().row(8) + channel - fixture.values().data())] = kNaN;
  }
  test::on_every_target([&] {
    const auto y = fixture.run(test::TestExecution(), false);
    for (std::int64_t row = 0; row < 20; ++row) {
      for (std::int64_t channel = 0; channel < 21; ++channel) {
        const bool is_bad = (channel == 0 || channel == 20) && row >= 8 && row < 12;
        EXPECT_EQ(std::isnan(y[static_cast<std::size_t>(row * 21 + channel)]), is_bad) << row << ' ' << channel;
      }
    }
  });
}

TEST(CausalConvolution, RefusesShapesThatDisagree) {
  const std::vector<float> weight(12);
  std::vector<float> x(12);
  std::vector<float> y(12);
  const std::vector<std::int64_t> offsets = {0, 4};
  const auto refuses = [&](const CausalConvolution& convolution, std::span<float> history, std::int64_t rows) {
    EXPECT_THROW(causal_convolution(test::TestExecution(), convolution, offsets, history,
                                    ConstMatrixView(x.data(), 4, 3), MatrixView(y.data(), rows, 3)),
                 Error);
  };
  refuses({weight, {}, 0}, {}, 4);
  refuses({weight, {}, 3}, {}, 4);
  refuses({weight, std::span(weight).first(2), 4}, {}, 4);
  refuses({weight, {}, 4}, std::span(x).first(3), 4);
  refuses({weight, {}, 4}, {}, 3);
}

double exact_softplus(double x) { return std::max(x, 0.0) + std::log1p(std::exp(-std::abs(x))); }

TEST(Softplus, EqualsTheDefinition) {
  std::vector<float> points;
  for (float x = 1e-6F; x < 90; x *= 1.003F) points.insert(points.end(), {x, -x});
  const auto size = static_cast<std::int64_t>(points.size());
  const std::vector<float> no_bias(points.size());
  test::on_every_target([&] {
    std::vector<float> y(points.size());
    softplus(no_bias, 0, std::numeric_limits<float>::infinity(), ConstMatrixView(points.data(), 1, size),
             MatrixView(y.data(), 1, size));
    for (std::size_t i = 0; i < points.size(); ++i) {
      const double wanted = exact_softplus(points[i]);
      // Subnormal numbers have fewer digits.
      EXPECT_NEAR(y[i], wanted, std::max(2e-6 * wanted, 1e-43)) << points[i];
    }
  });
}

TEST(Softplus, BiasBoundsAndStrides) {
  for (const std::int64_t cols : {1, 8, 24, 35}) {
    const auto bias = test::random_values(cols, 1, 3.0F);
    const auto values = test::random_values(5 * (cols + 2) + 1, 2, 3.0F);
    const ConstMatrixView x(values.data() + 1, 5, cols, cols + 2);
    test::on_every_target([&] {
      std::vector<float> y(static_cast<std::size_t>(5 * cols));
      softplus(bias, 0.01F, 4.0F, x, MatrixView(y.data(), 5, cols));
      for (std::int64_t row = 0; row < 5; ++row) {
        for (std::int64_t col = 0; col < cols; ++col) {
          const double wanted =
              std::clamp(exact_softplus(x.row(row)[col] + bias[static_cast<std::size_t>(col)]), 0.01, 4.0);
          EXPECT_NEAR(y[static_cast<std::size_t>(row * cols + col)], wanted, 2e-6 * wanted);
        }
      }
    });
  }
}

TEST(Softplus, LimitsAndNotANumber) {
  const float infinity = std::numeric_limits<float>::infinity();
  const std::vector<float> x = {-infinity, -1e30F, -200, 200, 1e30F, infinity, kNaN};
  const std::vector<float> bias(x.size());
  test::on_every_target([&] {
    std::vector<float> y(x.size());
    softplus(bias, 0, infinity, ConstMatrixView(x.data(), 1, 7), MatrixView(y.data(), 1, 7));
    for (std::size_t i = 0; i < 3; ++i) EXPECT_EQ(y[i], 0);
    for (std::size_t i = 3; i < 6; ++i) EXPECT_EQ(y[i], x[i]);
    EXPECT_TRUE(std::isnan(y[6]));
    softplus(bias, 0.5F, 2.0F, ConstMatrixView(x.data(), 1, 7), MatrixView(y.data(), 1, 7));
    EXPECT_EQ(y[0], 0.5F);
    EXPECT_EQ(y[5], 2.0F);
    EXPECT_TRUE(std::isnan(y[6]));
  });
}

TEST(Softplus, RefusesShapesThatDisagree) {
  std::vector<float> x(6);
  EXPECT_THROW(softplus(std::span(x).first(2), 0, 1, ConstMatrixView(x.data(), 2, 3), MatrixView(x.data(), 2, 3)),
               Error);
}

}  // namespace
}  // namespace treble::internal
