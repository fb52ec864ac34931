#include "kernels/linear.h"

#include <gtest/gtest.h>

#include <cmath>
#include <string>
#include <string_view>
#include <thread>

#include "kernels/reference/reference.h"
#include "kernels/test_support.h"
#include "treble/error.h"

namespace treble {
namespace {

struct Problem {
  Problem(std::int64_t rows_in, std::int64_t in_in, std::int64_t out_in)
      : rows(rows_in),
        in(in_in),
        out(out_in),
        weight(test::random_values(out * in, 1, 1.0F / std::sqrt(static_cast<float>(in)))),
        bias(test::random_values(out, 2)),
        x(test::random_values(rows * in, 3)),
        y(test::random_values(rows * out, 4)) {}

  Linear build(const Linear::Options& options) const {
    return {ConstMatrixView(weight.data(), out, in), bias, options};
  }

  double difference(const Linear::Options& options, const Execution& execution = {}) const {
    auto fast = y;
    auto slow = y;
    const ConstMatrixView input(x.data(), rows, in);
    build(options).run(execution, input, MatrixView(fast.data(), rows, out));
    reference::linear(ConstMatrixView(weight.data(), out, in), bias, options.activation, options.accumulate, input,
                      MatrixView(slow.data(), rows, out));
    return test::greatest_difference(ConstMatrixView(fast.data(), rows, out), ConstMatrixView(slow.data(), rows, out));
  }

  std::int64_t rows;
  std::int64_t in;
  std::int64_t out;
  std::vector<float> weight;
  std::vector<float> bias;
  std::vector<float> x;
  std::vector<float> y;
};

TEST(Linear, EqualsNaiveTwinForOddSizes) {
  for (const std::int64_t rows : {1, 2, 17, 128, 131}) {
    for (const auto& [in, out] : {std::pair{1, 1}, {12, 7}, {48, 36}, {33, 192}, {384, 65}}) {
      SCOPED_TRACE(::testing::Message() << rows << " rows, " << in << " → " << out);
      EXPECT_LE(Problem(rows, in, out).difference({}), 1e-5);
    }
  }
}

TEST(Linear, EveryActivationEqualsItsTwin) {
  for (const auto activation : {Activation::identity, Activation::gelu, Activation::gelu_tanh, Activation::relu,
                                Activation::silu, Activation::tanh, Activation::sigmoid}) {
    SCOPED_TRACE(std::string(activation_name(activation)));
    EXPECT_LE(Problem(19, 48, 96).difference({.activation = activation}), 1e-5);
  }
}

TEST(Linear, AccumulatesIntoTheResidual) { EXPECT_LE(Problem(50, 96, 48).difference({.accumulate = true}), 1e-5); }

TEST(Linear, ThreadsShareTheRows) {
  ThreadPool pool(3);
  const Problem problem(100, 48, 36);
  EXPECT_LE(problem.difference({}, Execution{&pool}), 1e-5);
}

TEST(Linear, NoRowsIsNoWork) { EXPECT_EQ(Problem(0, 8, 8).difference({}), 0.0); }

TEST(Linear, RunsFromSeveralThreadsAtOnce) {
  const Problem problem(64, 48, 36);
  const Linear linear = problem.build({});
  std::vector<std::vector<float>> results(4, std::vector<float>(64 * 36));
  std::vector<std::thread> threads;
  for (auto& result : results) {
    threads.emplace_back([&] {
      for (std::int64_t rows = 1; rows <= 64; ++rows) {
        linear.run(Execution{}, ConstMatrixView(problem.x.data(), rows, 48), MatrixView(result.data(), rows, 36));
      }
    });
  }
  for (auto& thread : threads) thread.join();
  for (const auto& result : results) EXPECT_EQ(result, results.front());
}

// oneDNN falls back to a thousandfold slower implementation, silently, for what its fast ones do not cover.
TEST(Linear, NoReferenceImplementationRunsARealLayer) {
  const Problem problem(1, 384, 1536);
  for (const bool accumulate : {false, true}) {
    const Linear linear =
        problem.build({.activation = accumulate ? Activation::identity : Activation::gelu, .accumulate = accumulate});
    for (const std::int64_t rows : {1, 16, 100, 512}) {
      EXPECT_EQ(std::string_view(linear.implementation(rows)).find("ref"), std::string_view::npos)
          << linear.implementation(rows);
    }
  }
}

TEST(Linear, RefusesShapesThatDisagree) {
  const Problem problem(2, 8, 8);
  const Linear linear = problem.build({});
  std::vector<float> y(100);
  EXPECT_THROW(linear.run({}, ConstMatrixView(problem.x.data(), 2, 7), MatrixView(y.data(), 2, 8)), Error);
  EXPECT_THROW(linear.run({}, ConstMatrixView(problem.x.data(), 2, 8), MatrixView(y.data(), 1, 8)), Error);
  EXPECT_THROW(problem.build({.activation = Activation::gelu, .accumulate = true}), Error);
}

}  // namespace
}  // namespace treble
