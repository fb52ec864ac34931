// The window of StateControl against the sum that defines it.
#include "layers/state_window.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>

#include "kernels/test_support.h"

namespace treble::internal {
namespace {

struct WindowCase {
  std::int64_t tokens;
  std::int64_t window;
  std::int64_t heads;
  std::int64_t groups;
  std::int64_t state_size;
  std::int64_t head_dim;
};

class WindowFixture {
 public:
  WindowFixture(const WindowCase& c, std::uint32_t seed) : case_(c) {
    std::mt19937 random(seed);
    std::uniform_real_distribution<float> unit(-1, 1);
    const std::int64_t width = c.heads * c.head_dim;
    const std::int64_t shared = c.groups * c.state_size;
    channels_.resize(static_cast<std::size_t>(c.tokens * (width + 2 * shared)));
    for (float& value : channels_) value = unit(random);
    steps_.resize(static_cast<std::size_t>(c.tokens * c.heads));
    for (float& value : steps_) value = std::exp(2 * unit(random) - 3);
    for (std::int64_t head = 0; head < c.heads; ++head) decay_.push_back(-0.05F - std::abs(unit(random)));
    offsets_ = {0, c.tokens};
  }

  ConstMatrixView channels() const { return {channels_.data(), case_.tokens, std::ssize(channels_) / case_.tokens}; }

  ScanInputs inputs() const {
    const std::int64_t width = case_.heads * case_.head_dim;
    const std::int64_t shared = case_.groups * case_.state_size;
    ScanInputs inputs;
    inputs.x = channels().col_range(0, width);
    inputs.b = channels().col_range(width, width + shared);
    inputs.c = channels().col_range(width + shared, width + 2 * shared);
    inputs.step = ConstMatrixView(steps_.data(), case_.tokens, case_.heads);
    inputs.a = decay_;
    inputs.offsets = offsets_;
    inputs.num_heads = case_.heads;
    inputs.num_groups = case_.groups;
    return inputs;
  }

  /// Σ over the last R tokens j of (∏ α after j) (C_t · B_j) Δ_j x_j, in double.
  double expected(std::int64_t token, std::int64_t column) const {
    const ScanInputs in = inputs();
    const std::int64_t head = column / case_.head_dim;
    const std::int64_t group = head / (case_.heads / case_.groups) * case_.state_size;
    double sum = 0;
    double kept = 1;
    for (std::int64_t j = token; j >= 0 && j > token - case_.window; --j) {
      double product = 0;
      for (std::int64_t n = 0; n < case_.state_size; ++n) {
        product += double{in.c.row(token)[group + n]} * double{in.b.row(j)[group + n]};
      }
      const double step = in.step.row(j)[head];
      sum += kept * product * step * in.x.row(j)[column];
      kept *= std::exp(step * in.a[static_cast<std::size_t>(head)]);
    }
    return sum;
  }

 private:
  WindowCase case_;
  std::vector<float> channels_;
  std::vector<float> steps_;
  std::vector<float> decay_;
  std::vector<std::int64_t> offsets_;
};

TEST(StateWindow, IsTheSumOverTheLastTokens) {
  std::mt19937 random(7);
  const auto between = [&](int low, int high) {
    return std::uniform_int_distribution<std::int64_t>(low, high)(random);
  };
  for (std::uint32_t seed = 0; seed < 60; ++seed) {
    WindowCase c{between(1, 260), between(1, 280), 1, between(1, 3), between(1, 20), between(1, 20)};
    c.heads = c.groups * between(1, 3);
    SCOPED_TRACE(::testing::Message() << "seed " << seed << ", " << c.tokens << " tokens, window " << c.window);
    const WindowFixture fixture(c, seed);
    const ScanInputs inputs = fixture.inputs();
    std::vector<float> values(static_cast<std::size_t>(c.tokens * inputs.x.cols));
    const MatrixView y(values.data(), c.tokens, inputs.x.cols);
    const test::TestExecution execution;
    selective_scan(execution, inputs, {}, y);
    AlignedBuffer<float> scratch;
    StateWindow window(inputs, fixture.channels(), c.window, nullptr);
    window.subtract(execution, scratch, y);
    double largest = 0;
    for (std::int64_t token = 0; token < c.tokens; ++token) {
      for (std::int64_t column = 0; column < y.cols; ++column) {
        largest = std::max(largest, std::abs(y.row(token)[column] - fixture.expected(token, column)));
      }
    }
    EXPECT_LE(largest, 1e-5);
    // The state of the last token, read by its C, is the output.
    const auto state = window.state(0, c.tokens);
    double read = 0;
    for (std::int64_t n = 0; n < c.state_size; ++n) {
      read += double{inputs.c.row(c.tokens - 1)[n]} * double{state[static_cast<std::size_t>(n * c.head_dim)]};
    }
    EXPECT_NEAR(read, y.row(c.tokens - 1)[0], 1e-5);
  }
}

}  // namespace
}  // namespace treble::internal
