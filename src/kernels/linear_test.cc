#include "kernels/linear.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <string_view>
#include <thread>

#include "kernels/compute_isa.h"
#include "kernels/int8_calibration.h"
#include "kernels/onednn/matmul.h"
#include "kernels/reference/reference.h"
#include "kernels/test_support.h"
#include "treble/error.h"

namespace treble::internal {
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

  double difference(const Linear::Options& options, const Execution& execution = test::TestExecution()) const {
    auto fast = y;
    auto slow = y;
    const ConstMatrixView input(x.data(), rows, in);
    build(options).run(execution, input, MatrixView(fast.data(), rows, out));
    reference::linear(ConstMatrixView(weight.data(), out, in), bias, options.activation, options.accumulate, input,
                      MatrixView(slow.data(), rows, out));
    return test::max_abs_difference(ConstMatrixView(fast.data(), rows, out), ConstMatrixView(slow.data(), rows, out));
  }

  std::int64_t rows;
  std::int64_t in;
  std::int64_t out;
  std::vector<float> weight;
  std::vector<float> bias;
  std::vector<float> x;
  std::vector<float> y;
};

TEST(Linear, MatchesReferenceForOddSizes) {
  for (const std::int64_t rows : {1, 2, 17, 128, 131}) {
    for (const auto& [in, out] : {std::pair{1, 1}, {12, 7}, {48, 36}, {33, 192}, {384, 65}}) {
      SCOPED_TRACE(::testing::Message() << rows << " rows, " << in << " → " << out);
      EXPECT_LE(Problem(rows, in, out).difference({}), 1e-5);
    }
  }
}

TEST(Linear, EveryActivationMatchesTheReference) {
  for (const auto activation : {Activation::identity, Activation::gelu, Activation::gelu_tanh, Activation::relu,
                                Activation::silu, Activation::tanh, Activation::sigmoid}) {
    SCOPED_TRACE(std::string(activation_name(activation)));
    EXPECT_LE(Problem(19, 48, 96).difference({.activation = activation}), 1e-5);
  }
}

TEST(Linear, AccumulatesIntoTheResidual) { EXPECT_LE(Problem(50, 96, 48).difference({.accumulate = true}), 1e-5); }

TEST(Linear, SplitsRowsOverThreads) {
  ThreadPool pool(3);
  const Problem problem(100, 48, 36);
  EXPECT_LE(problem.difference({}, test::TestExecution(&pool)), 1e-5);
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
        linear.run(test::TestExecution(), ConstMatrixView(problem.x.data(), rows, 48),
                   MatrixView(result.data(), rows, 36));
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

std::vector<float> run_rows(const Linear& linear, const Problem& problem, std::int64_t first, std::int64_t rows,
                            Int8Calibration* calibration = nullptr) {
  std::vector<float> y(static_cast<std::size_t>(rows * problem.out));
  linear.run(test::TestExecution(nullptr, calibration),
             ConstMatrixView(problem.x.data() + first * problem.in, rows, problem.in),
             MatrixView(y.data(), rows, problem.out));
  return y;
}

TEST(ReducedLinear, StaysCloseToFloat32) {
  for (const auto& [type, tolerance] : {std::pair{ComputeType::bfloat16, 0.03}, {ComputeType::int8, 0.1}}) {
    for (const std::int64_t rows : {1, 17, 131}) {
      for (const auto& [in, out] : {std::pair{1, 1}, {12, 7}, {48, 36}, {33, 192}, {384, 65}}) {
        SCOPED_TRACE(::testing::Message() << rows << " rows, " << in << " → " << out);
        const Problem problem(rows, in, out);
        EXPECT_LE(problem.difference({.type = type}), tolerance);
        EXPECT_LE(problem.difference({.accumulate = true, .type = type}), tolerance);
        EXPECT_LE(problem.difference({.activation = Activation::gelu, .type = type}), tolerance);
      }
    }
  }
}

TEST(ReducedLinear, ARowIsTheSameAloneAndInABatch) {
  const Problem problem(150, 384, 96);
  for (const auto type : {ComputeType::int8, ComputeType::bfloat16}) {
    const Linear linear = problem.build({.type = type});
    const auto together = run_rows(linear, problem, 0, problem.rows);
    for (const std::int64_t row : {0, 63, 64, 149}) {
      const auto alone = run_rows(linear, problem, row, 1);
      for (std::int64_t c = 0; c < problem.out; ++c) {
        const float batch = together[static_cast<std::size_t>(row * problem.out + c)];
        const float single = alone[static_cast<std::size_t>(c)];
        // int8 sums are whole numbers, in whatever order; bfloat16's are float32's.
        if (type == ComputeType::int8) {
          EXPECT_EQ(batch, single);
        } else {
          EXPECT_NEAR(batch, single, 1e-5);
        }
      }
    }
  }
}

TEST(ReducedLinear, ExtremesDoNotSaturate) {
  Problem problem(3, 512, 16);
  // After the rotation a constant is one great number; its opposite sits in the next row.
  std::fill(problem.weight.begin(), problem.weight.end(), 1.0F);
  for (std::size_t i = 0; i < problem.x.size(); ++i) problem.x[i] = i < 512 ? 100.0F : (i < 1024 ? -100.0F : 0.0F);
  EXPECT_LE(problem.difference({.type = ComputeType::int8}), 100 * 512 * 0.01);
}

/// Inputs with a mean of their own, as those of a transformer have.
TEST(ReducedLinear, CalibrationRemovesTheMeanError) {
  Problem problem(200, 384, 96);
  const auto mean = test::random_values(problem.in, 21);
  for (std::size_t i = 0; i < problem.x.size(); ++i) problem.x[i] = 0.3F * problem.x[i] + mean[i % mean.size()];
  const auto exact = run_rows(problem.build({}), problem, 0, problem.rows);
  Int8Calibration calibration;
  const Linear linear = problem.build({.type = ComputeType::int8, .calibration = &calibration});
  const auto mean_errors = [&](Int8Calibration* observer) {
    const auto found = run_rows(linear, problem, 0, problem.rows, observer);
    double squares = 0;
    for (std::int64_t o = 0; o < problem.out; ++o) {
      double sum = 0;
      for (std::int64_t row = 0; row < problem.rows; ++row) {
        const auto at = static_cast<std::size_t>(row * problem.out + o);
        sum += static_cast<double>(found[at]) - static_cast<double>(exact[at]);
      }
      squares += sum * sum / static_cast<double>(problem.rows * problem.rows);
    }
    return std::sqrt(squares / static_cast<double>(problem.out));
  };
  const double before = mean_errors(&calibration);
  calibration.requantize(test::TestExecution());
  const double after = mean_errors(nullptr);
  EXPECT_GT(before, 1e-4);
  EXPECT_LT(after, 0.3 * before);
}

/// Inputs that lie along a few directions, as a transformer's do: LDLQ compensates the rounding errors along these.
TEST(ReducedLinear, LdlqLowersTheErrorOnTheCalibrationInputs) {
  constexpr std::int64_t kDirections = 8;
  for (const auto& [in, out] : {std::pair{384, 96}, {100, 33}}) {
    SCOPED_TRACE(::testing::Message() << in << " → " << out);
    Problem problem(300, in, out);
    const auto directions = test::random_values(kDirections * in, 22);
    const auto mixed = test::random_values(problem.rows * kDirections, 23);
    for (std::int64_t row = 0; row < problem.rows; ++row) {
      for (std::int64_t i = 0; i < in; ++i) {
        float& value = problem.x[static_cast<std::size_t>(row * in + i)];
        value *= 0.1F;
        for (std::int64_t d = 0; d < kDirections; ++d) {
          value +=
              mixed[static_cast<std::size_t>(row * kDirections + d)] * directions[static_cast<std::size_t>(d * in + i)];
        }
      }
    }
    const auto exact = run_rows(problem.build({}), problem, 0, problem.rows);
    const auto squared_error = [&](const Linear& linear, Int8Calibration* observer) {
      const auto found = run_rows(linear, problem, 0, problem.rows, observer);
      double sum = 0;
      for (std::size_t i = 0; i < found.size(); ++i) sum += std::pow(double{found[i]} - double{exact[i]}, 2);
      return sum;
    };
    Int8Calibration calibration;
    const Linear linear = problem.build({.type = ComputeType::int8, .calibration = &calibration});
    const double before = squared_error(linear, &calibration);
    ThreadPool pool(2);
    calibration.requantize(test::TestExecution(&pool));
    // Elsewhere the bias alone is corrected, which makes nothing worse.
    const bool again = int8_isa() == Int8Isa::avx512_vnni;
    EXPECT_LT(squared_error(linear, nullptr), (again ? 0.8 : 1.01) * before);
  }
}

TEST(ReducedLinear, CalibrationIgnoresNonFiniteInputs) {
  Problem problem(5, 48, 4);
  Int8Calibration calibration;
  const Linear unseen = problem.build({.type = ComputeType::int8, .calibration = &calibration});
  const Linear poisoned = problem.build({.type = ComputeType::int8, .calibration = &calibration});
  const auto wanted = run_rows(problem.build({.type = ComputeType::int8}), problem, 0, 5);
  auto bad = problem;
  for (std::size_t row = 1; row < 4; ++row) bad.x[row * 48 + 5] = row == 2 ? HUGE_VALF : std::nanf("");
  run_rows(poisoned, bad, 0, 5, &calibration);
  calibration.requantize(test::TestExecution());
  EXPECT_EQ(run_rows(unseen, problem, 0, 5), wanted);
  EXPECT_EQ(run_rows(poisoned, problem, 0, 5), wanted);
}

TEST(ReducedLinear, NonFiniteInputsShow) {
  Problem problem(2, 48, 4);
  problem.x[5] = std::nanf("");
  problem.x[48 + 7] = HUGE_VALF;
  for (const auto type : {ComputeType::int8, ComputeType::bfloat16}) {
    for (const float value : run_rows(problem.build({.type = type}), problem, 0, 2)) EXPECT_FALSE(std::isfinite(value));
  }
}

TEST(ReducedLinear, NoReferenceImplementationRunsARealLayer) {
  for (const auto type : {ComputeType::int8, ComputeType::bfloat16}) {
    const Linear linear = Problem(1, 384, 1536).build({.type = type});
    for (const std::int64_t rows : {1, 16, 64}) {
      EXPECT_EQ(std::string_view(linear.implementation(rows)).find("ref"), std::string_view::npos)
          << linear.implementation(rows);
    }
  }
}

constexpr const char* kNoBf16Activations = "the CPU has no AVX512-BF16; layers hand on float32 there";

/// The bfloat16 output of a layer is its float32 output, rounded.
TEST(ReducedLinear, WritesBfloat16) {
  ThreadPool pool(3);
  if (!supports_bf16_activations(ComputeType::bfloat16)) GTEST_SKIP() << kNoBf16Activations;
  for (const auto type : {ComputeType::bfloat16, ComputeType::int8}) {
    // AMX has bfloat16, but leaves int8 to oneDNN, which writes no bfloat16.
    if (!supports_bf16_activations(type)) continue;
    for (const std::int64_t rows : {1, 17, 131}) {
      for (const auto& [in, out] : {std::pair{1, 1}, {12, 7}, {33, 192}, {384, 130}}) {
        SCOPED_TRACE(::testing::Message() << rows << " rows, " << in << " → " << out);
        const Problem problem(rows, in, out);
        for (const auto activation : {Activation::identity, Activation::gelu}) {
          const auto wanted = run_rows(problem.build({.activation = activation, .type = type}), problem, 0, rows);
          const Linear linear = problem.build({.activation = activation, .type = type, .bfloat16_output = true});
          for (ThreadPool* threads : {static_cast<ThreadPool*>(nullptr), &pool}) {
            const test::TestExecution execution(threads);
            std::vector<std::uint16_t> y(wanted.size());
            linear.run(execution, ConstMatrixView(problem.x.data(), rows, in), Bfloat16View(y.data(), rows, out));
            const auto found = test::to_floats(y);
            // Half a step before the activation and half a step behind it.
            for (std::size_t i = 0; i < y.size(); ++i) {
              EXPECT_NEAR(found[i], wanted[i], 0.01 * std::abs(wanted[i]) + 1e-3);
            }
          }
        }
      }
    }
  }
}

TEST(ReducedLinear, ReadsBfloat16) {
  ThreadPool pool(3);
  if (!supports_bf16_activations(ComputeType::bfloat16)) GTEST_SKIP() << kNoBf16Activations;
  for (const auto type : {ComputeType::bfloat16, ComputeType::int8}) {
    if (!supports_bf16_activations(type)) continue;
    for (const std::int64_t rows : {1, 17, 131}) {
      Problem problem(rows, 384, 65);
      const auto bf16 = test::to_bf16(problem.x);
      problem.x = test::to_floats(bf16);
      for (const bool accumulate : {false, true}) {
        const Linear linear = problem.build({.accumulate = accumulate, .type = type});
        for (ThreadPool* threads : {static_cast<ThreadPool*>(nullptr), &pool}) {
          const test::TestExecution execution(threads);
          auto wanted = problem.y;
          auto found = problem.y;
          linear.run(execution, ConstMatrixView(problem.x.data(), rows, 384), MatrixView(wanted.data(), rows, 65));
          linear.run(execution, ConstBfloat16View(bf16.data(), rows, 384), MatrixView(found.data(), rows, 65));
          EXPECT_EQ(found, wanted);
        }
      }
    }
  }
}

TEST(ReducedLinear, RefusesBfloat16WhereItCannot) {
  const Problem problem(2, 16, 16);
  std::vector<std::uint16_t> bf16(32);
  std::vector<float> y(32);
  const Bfloat16View narrow(bf16.data(), 2, 16);
  const ConstMatrixView x(problem.x.data(), 2, 16);
  EXPECT_THROW(problem.build({.bfloat16_output = true}), Error);
  EXPECT_THROW(problem.build({.accumulate = true, .type = ComputeType::bfloat16, .bfloat16_output = true}), Error);
  EXPECT_THROW(problem.build({}).run(test::TestExecution(), x, narrow), Error);
  EXPECT_THROW(problem.build({}).run(test::TestExecution(), ConstBfloat16View(narrow), MatrixView(y.data(), 2, 16)),
               Error);
}

TEST(ReducedLinear, RefusesFloat32OutputOfABfloat16Layer) {
  if (!supports_bf16_activations(ComputeType::bfloat16)) GTEST_SKIP() << kNoBf16Activations;
  const Problem problem(2, 16, 16);
  std::vector<float> y(32);
  const ConstMatrixView x(problem.x.data(), 2, 16);
  const Linear linear = problem.build({.type = ComputeType::bfloat16, .bfloat16_output = true});
  EXPECT_THROW(linear.run(test::TestExecution(), x, MatrixView(y.data(), 2, 16)), Error);
}

/// Within int8_range() every sum is exact, on every instruction set, pairs of maximal codes included.
TEST(Matmul, Int8IsExactWithinItsRange) {
  const Int8Range range = int8_range();
  constexpr std::int64_t kIn = 384;
  constexpr std::int64_t kOut = 48;
  constexpr std::int64_t kRows = 17;
  std::vector<std::int8_t> weight(kOut * kIn);
  for (std::int64_t o = 0; o < kOut; ++o) {
    const std::int32_t sign = o % 2 == 0 ? 1 : -1;
    for (std::int64_t i = 0; i < kIn; i += 2) {
      const std::int32_t first =
          o < 2 ? range.weight_qmax : static_cast<std::int32_t>((o * 31 + i * 7) % (range.weight_qmax + 1));
      weight[static_cast<std::size_t>(o * kIn + i)] = static_cast<std::int8_t>(sign * first);
      weight[static_cast<std::size_t>(o * kIn + i + 1)] =
          static_cast<std::int8_t>(sign * std::min(range.weight_qmax, range.pair_max - first));
    }
  }
  std::vector<std::uint8_t> x(kRows * kIn);
  for (std::size_t i = 0; i < x.size(); ++i) {
    x[i] = static_cast<std::uint8_t>(i < 2 * kIn ? range.input_max
                                                 : static_cast<std::int32_t>(i * 13) % (range.input_max + 1));
  }
  std::vector<std::int32_t> y(kRows * kOut);
  onednn::MatmulContext context;
  onednn::Matmul(onednn::MatmulKind::int8, {kIn, kOut, weight.data(), kIn}).run(context, kRows, x.data(), y.data());
  for (std::int64_t row = 0; row < kRows; ++row) {
    for (std::int64_t o = 0; o < kOut; ++o) {
      std::int32_t sum = 0;
      for (std::int64_t i = 0; i < kIn; ++i) {
        sum += x[static_cast<std::size_t>(row * kIn + i)] * weight[static_cast<std::size_t>(o * kIn + i)];
      }
      ASSERT_EQ(y[static_cast<std::size_t>(row * kOut + o)], sum) << "row " << row << ", output " << o;
    }
  }
}

TEST(Linear, RefusesShapesThatDisagree) {
  const Problem problem(2, 8, 8);
  const Linear linear = problem.build({});
  std::vector<float> y(100);
  EXPECT_THROW(linear.run(test::TestExecution(), ConstMatrixView(problem.x.data(), 2, 7), MatrixView(y.data(), 2, 8)),
               Error);
  EXPECT_THROW(linear.run(test::TestExecution(), ConstMatrixView(problem.x.data(), 2, 8), MatrixView(y.data(), 1, 8)),
               Error);
  EXPECT_THROW(problem.build({.activation = Activation::gelu, .accumulate = true}), Error);
}

}  // namespace
}  // namespace treble::internal
