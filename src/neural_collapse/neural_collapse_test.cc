// The published figures of the near-features model, and its theorems on random features.
#include "treble/neural_collapse.h"

#include <gtest/gtest.h>

#include <Eigen/Dense>
#include <array>
#include <cmath>
#include <numeric>
#include <random>
#include <string>

#include "base/json_file.h"
#include "neural_collapse/near_features.h"
#include "treble/error.h"

namespace treble::internal {
namespace {

struct Sample {
  std::int64_t dim = 0;
  std::vector<double> values;
  std::vector<std::int64_t> classes;

  LabelledFeatures view() const { return {dim, values, classes}; }
  double norm() const { return std::sqrt(std::inner_product(values.begin(), values.end(), values.begin(), 0.0)); }
};

/// K = 4, d = n = 10: H₀[a, b] = sin(0.7 (a + 1)(b + 1)) + [a = ⌊b / 10⌋].
Sample reference_sample() {
  Sample sample{.dim = 10, .values = {}, .classes = {}};
  for (int b = 0; b < 40; ++b) {
    sample.classes.push_back(b / 10);
    for (int a = 0; a < 10; ++a) sample.values.push_back(std::sin(0.7 * (a + 1) * (b + 1)) + (a == b / 10 ? 1 : 0));
  }
  return sample;
}

constexpr double kLambdaW = 0.05;
constexpr double kLambdaH = 0.01;

NearFeaturesModel reference_model() {
  return {reference_sample().view(), {.lambda_w = kLambdaW, .lambda_h = kLambdaH}};
}

TEST(NeuralCollapseReference, MetricsOfTheGivenFeatures) {
  const NeuralCollapse found = reference_model().collapse();
  EXPECT_NEAR(found.within, 4.513910, 5e-7);
  EXPECT_NEAR(found.between, 0.788050, 5e-7);
  EXPECT_NEAR(found.nc1_traces.value(), 5.727945, 5e-7);
  EXPECT_NEAR(found.nc1.value(), 1.274827, 5e-7);
  EXPECT_NEAR(found.nc2.value(), 0.247542, 5e-7);
  EXPECT_NEAR(found.nc3.value(), 0.110340, 5e-7);
  const NeuralCollapse measured = measure_neural_collapse(reference_sample().view());
  EXPECT_EQ(measured.nc1, found.nc1);
  EXPECT_FALSE(measured.nc3);
}

TEST(NeuralCollapseReference, Flow) {
  const std::array times = {1.0, 3.0, 10.0, 30.0, 100.0};
  const std::array expected = {4.720394, 4.001532, 2.832139, 1.576463, 0.364305};
  const auto points = reference_model().flow(times);
  ASSERT_EQ(points.size(), times.size());
  for (std::size_t i = 0; i < times.size(); ++i) {
    EXPECT_EQ(points[i].time, times[i]);
    EXPECT_NEAR(points[i].collapse.nc1_traces.value(), expected[i], 5e-7);
  }
}

TEST(NeuralCollapseReference, Minimisers) {
  struct Expected {
    double beta, nc1_traces, objective;
  };
  for (const Expected& expected : {Expected{0.1, 3.261262, 0.05595186},
                                   {1, 4.916972, 0.08456224},
                                   {10, 5.563077, 0.10942157},
                                   {100, 5.709470, 0.11412406},
                                   {1000, 5.726076, 0.11463049}}) {
    const auto found = reference_model().minimise(expected.beta);
    EXPECT_NEAR(found.collapse.nc1_traces.value(), expected.nc1_traces, 5e-7) << expected.beta;
    EXPECT_NEAR(found.objective, expected.objective, 5e-9) << expected.beta;
    EXPECT_LT(found.residual, 1e-13) << expected.beta;
  }
}

class NearFeaturesTheorems : public ::testing::TestWithParam<unsigned> {
 protected:
  NearFeaturesTheorems() : random_(GetParam()) {}

  std::int64_t between(std::int64_t low, std::int64_t high) {
    return std::uniform_int_distribution<std::int64_t>(low, high)(random_);
  }
  double real(double low, double high) { return std::uniform_real_distribution<double>(low, high)(random_); }

  /// More or fewer dimensions than items; classes with means of their own.
  Sample features(std::int64_t k, std::int64_t n, std::int64_t dim) {
    std::normal_distribution<double> normal;
    Sample sample{.dim = dim, .values = {}, .classes = {}};
    std::vector<double> means(static_cast<std::size_t>(k * dim));
    for (double& mean : means) mean = normal(random_);
    for (std::int64_t i = 0; i < k * n; ++i) {
      sample.classes.push_back(i % k);
      for (std::int64_t a = 0; a < dim; ++a) {
        sample.values.push_back(means[static_cast<std::size_t>(i % k * dim + a)] + 0.7 * normal(random_));
      }
    }
    return sample;
  }

  /// √ρ times orthonormal class points.
  Sample collapsed(std::int64_t k, std::int64_t n, std::int64_t dim, double rho) {
    std::normal_distribution<double> normal;
    const Eigen::MatrixXd gaussian = Eigen::MatrixXd::NullaryExpr(dim, k, [&](auto, auto) { return normal(random_); });
    const Eigen::MatrixXd points = std::sqrt(rho) * (Eigen::HouseholderQR<Eigen::MatrixXd>(gaussian).householderQ() *
                                                     Eigen::MatrixXd::Identity(dim, k));
    Sample sample{.dim = dim, .values = {}, .classes = {}};
    for (std::int64_t i = 0; i < k * n; ++i) {
      sample.classes.push_back(i % k);
      for (std::int64_t a = 0; a < dim; ++a) sample.values.push_back(points(a, i % k));
    }
    return sample;
  }

  std::mt19937 random_;
};

INSTANTIATE_TEST_SUITE_P(Seeds, NearFeaturesTheorems, ::testing::Range(0U, 12U));

TEST_P(NearFeaturesTheorems, AlongTheFlowWithinClassScatterFalls) {
  const Sample sample = features(between(2, 5), between(2, 8), between(2, 20));
  const double lambda_h = real(0.002, 0.1);
  const NearFeaturesModel model(sample.view(), {.lambda_w = real(0.002, 0.1), .lambda_h = lambda_h});
  const std::array times = {0.0, 0.3, 1.0, 3.0, 10.0, 20.0};
  const auto points = model.flow(times);
  ASSERT_EQ(points.size(), times.size());
  EXPECT_EQ(points.front().features, sample.values);
  for (std::size_t i = 1; i < points.size(); ++i) {
    const auto& before = points[i - 1];
    const auto& after = points[i];
    EXPECT_LT(after.collapse.nc1_traces.value(), before.collapse.nc1_traces.value());
    const auto grown = [&](double value, double time) { return std::exp(2 * lambda_h * time) * value; };
    EXPECT_LE(grown(after.collapse.within, after.time), grown(before.collapse.within, before.time) * (1 + 1e-8));
    EXPECT_GE(grown(after.collapse.between, after.time), grown(before.collapse.between, before.time) * (1 - 1e-8));
  }
}

TEST_P(NearFeaturesTheorems, AlongThePathCollapseFallsAsBetaFalls) {
  const Sample sample = features(between(2, 5), between(2, 8), between(2, 20));
  const NearFeaturesModel model(sample.view(), {.lambda_w = real(0.002, 0.1), .lambda_h = real(0.002, 0.1)});
  double before = model.collapse().nc1_traces.value();
  for (const double beta : {1e6, 1e3, 30.0, 3.0, 1.0, 0.3}) {
    const auto found = model.minimise(beta);
    EXPECT_LT(found.residual, 1e-12) << beta;
    EXPECT_LT(found.collapse.nc1_traces.value(), before) << beta;
    before = found.collapse.nc1_traces.value();
    if (beta != 1e6) continue;
    for (std::size_t i = 0; i < sample.values.size(); ++i) EXPECT_NEAR(found.features[i], sample.values[i], 1e-4);
  }
}

/// As a network's are: dimensions of many scales, where Newton's method takes over far from quadratic convergence.
TEST_P(NearFeaturesTheorems, DimensionsOfManyScalesAreSolvedToRounding) {
  Sample sample = features(5, between(4, 14), between(4, 11));
  for (std::size_t i = 0; i < sample.values.size(); ++i) {
    const auto dimension = static_cast<double>(static_cast<std::int64_t>(i) % sample.dim);
    sample.values[i] = (1 + sample.values[i]) * std::pow(10.0, -2 * dimension / static_cast<double>(sample.dim - 1));
  }
  const NearFeaturesModel model(sample.view(), {});
  for (const double beta : {1.0, 0.1, 0.01}) EXPECT_LT(model.minimise(beta).residual, 1e-12) << beta;
}

/// The minimiser is one: nothing near it is lower, and its derivatives by finite differences are 0.
TEST_P(NearFeaturesTheorems, AMinimiserIsOne) {
  const Sample sample = features(between(2, 4), between(2, 5), between(2, 12));
  const NearFeaturesOptions options{.lambda_w = real(0.01, 0.1), .lambda_h = real(0.01, 0.1)};
  const double beta = std::pow(10.0, real(-1.5, 2));
  const auto found = NearFeaturesModel(sample.view(), options).minimise(beta);
  const NearFeatures model{columns(sample.values, sample.dim), sample.classes,
                           1 + *std::max_element(sample.classes.begin(), sample.classes.end()), options.lambda_w,
                           options.lambda_h};
  const Features h = columns(found.features, sample.dim);
  const Eigen::MatrixXd w = model.best_layer(h);
  const double value = model.objective(w, h, beta);
  EXPECT_NEAR(value / model.items(), found.objective, 1e-12);
  std::normal_distribution<double> normal;
  for (int trial = 0; trial < 20; ++trial) {
    const double size = 1e-4;
    const Features dh = Features::NullaryExpr(h.rows(), h.cols(), [&](auto, auto) { return size * normal(random_); });
    const Eigen::MatrixXd dw =
        Eigen::MatrixXd::NullaryExpr(w.rows(), w.cols(), [&](auto, auto) { return size * normal(random_); });
    const double ahead = model.objective(w + dw, h + dh, beta);
    const double behind = model.objective(w - dw, h - dh, beta);
    EXPECT_GT(ahead, value);
    EXPECT_GT(behind, value);
    EXPECT_LT(std::abs(ahead - behind), 1e-3 * (ahead + behind - 2 * value));
  }
}

TEST_P(NearFeaturesTheorems, CollapsedFeaturesAreTheirOwnMinimiser) {
  const std::int64_t k = between(2, 5);
  const double lambda_w = real(0.01, 0.6);
  const double lambda_h = real(0.01, 0.6);
  const double c = std::sqrt(lambda_w * lambda_h);
  const Sample sample = collapsed(k, between(2, 6), k + between(0, 9), (1 - c) * std::sqrt(lambda_w / lambda_h));
  const NearFeaturesModel model(sample.view(), {.lambda_w = lambda_w, .lambda_h = lambda_h});
  for (const double beta : {0.0, 0.5, 50.0}) {
    const auto found = model.minimise(beta);
    for (std::size_t i = 0; i < sample.values.size(); ++i) EXPECT_NEAR(found.features[i], sample.values[i], 1e-9);
    EXPECT_NEAR(found.collapse.within, 0, 1e-16);
    EXPECT_NEAR(found.collapse.nc2.value(), 0, 1e-7);
  }
  const auto perturbation = model.perturbation(10);
  EXPECT_NEAR(perturbation.distance, 0, 1e-12);
}

TEST_P(NearFeaturesTheorems, TooMuchRegularisationGivesZero) {
  const Sample sample = features(between(2, 4), between(2, 5), between(2, 12));
  const double lambda_w = real(0.5, 3);
  const auto found =
      NearFeaturesModel(sample.view(), {.lambda_w = lambda_w, .lambda_h = real(1.2, 3) / lambda_w}).minimise(0);
  for (const double value : found.features) EXPECT_NEAR(value, 0, 1e-8);
  EXPECT_NEAR(found.objective, 0.5, 1e-12);
}

TEST_P(NearFeaturesTheorems, UnbalancedClassesHaveMinimisersToo) {
  Sample sample = features(3, 6, between(2, 12));
  sample.classes[0] = 1;
  sample.classes[3] = 2;
  const NearFeaturesModel model(sample.view(), {.lambda_w = 0.02, .lambda_h = 0.03});
  EXPECT_LT(model.minimise(0.7).residual, 1e-12);
  EXPECT_THROW(model.perturbation(10), Error);
}

/// F by its definition, column for column: I − ∇²φ/β with ∇²φ by central differences of the gradient.
Eigen::MatrixXd map_by_differences(const NearFeatures& model, const Features& at, double beta) {
  const Eigen::Index size = at.size();
  Eigen::MatrixXd result = Eigen::MatrixXd::Identity(size, size);
  const auto gradient = [&](const Features& h) { return model.feature_gradient(model.best_layer(h), h, 0); };
  for (Eigen::Index i = 0; i < size; ++i) {
    const double step = 1e-4;
    const auto change = [&](double by) {
      Features h = at;
      h(i) += by;
      return gradient(h);
    };
    // Of fourth order.
    const Features slope = (8 * (change(step) - change(-step)) - (change(2 * step) - change(-2 * step))) / (12 * step);
    result.col(i) -= slope.reshaped() / beta;
  }
  return result;
}

TEST_P(NearFeaturesTheorems, TheSpectrumOfThePerturbation) {
  const std::int64_t k = between(2, 4);
  const std::int64_t n = between(1, 4);
  const std::int64_t dim = k + between(1, 4);
  const double lambda_h = real(0.02, 0.5);
  const double lambda_w = real(1, 2) * lambda_h;
  const double c = std::sqrt(lambda_w * lambda_h);
  Sample sample = collapsed(k, n, dim, (1 - c) * std::sqrt(lambda_w / lambda_h));
  // The items of a class beside one another, so that its block is one of the matrix.
  std::vector<double> sorted;
  for (std::int64_t i = 0; i < k * n; ++i) {
    const auto item = static_cast<std::ptrdiff_t>(i % n * k + i / n) * dim;
    sorted.insert(sorted.end(), sample.values.begin() + item, sample.values.begin() + item + dim);
    sample.classes[static_cast<std::size_t>(i)] = i / n;
  }
  sample.values = sorted;
  const double beta = 100;
  const NearFeaturesModel model(sample.view(), {.lambda_w = lambda_w, .lambda_h = lambda_h});
  const Perturbation found = model.perturbation(beta);
  const NearFeatures equations{columns(sample.values, dim), sample.classes, k, lambda_w, lambda_h};
  const Eigen::MatrixXd map = map_by_differences(equations, equations.h0, beta);

  const Eigen::Index block = n * dim;
  const Eigen::VectorXd values =
      Eigen::SelfAdjointEigenSolver<Eigen::MatrixXd>(map.topLeftCorner(block, block)).eigenvalues();
  std::vector<double> expected;
  for (const auto& one : found.diagonal_block)
    expected.insert(expected.end(), static_cast<std::size_t>(one.count), one.value);
  std::sort(expected.begin(), expected.end());
  ASSERT_EQ(static_cast<Eigen::Index>(expected.size()), block);
  for (Eigen::Index i = 0; i < block; ++i) EXPECT_NEAR(values[i], expected[static_cast<std::size_t>(i)], 1e-8);
  const Eigen::VectorXd across = Eigen::JacobiSVD<Eigen::MatrixXd>(map.block(0, block, block, block)).singularValues();
  EXPECT_NEAR(across[0], found.off_diagonal_singular_value, 1e-8);
  for (Eigen::Index i = 1; i < across.size(); ++i) EXPECT_NEAR(across[i], 0, 1e-8);
}

/// Halving what is disturbed quarters what the first order misses, for a β that is large enough for its own square to
/// vanish.
TEST_P(NearFeaturesTheorems, ThePerturbationIsOfFirstOrder) {
  const std::int64_t k = between(2, 4);
  const double lambda_h = real(0.02, 0.3);
  const double lambda_w = real(0.5, 2) * lambda_h;
  const double c = std::sqrt(lambda_w * lambda_h);
  const Sample point = collapsed(k, between(2, 4), k + between(0, 5), (1 - c) * std::sqrt(lambda_w / lambda_h));
  std::normal_distribution<double> normal;
  std::vector<double> noise(point.values.size());
  for (double& one : noise) one = normal(random_);
  const double beta = 1e5;
  std::array<double, 2> missed{};
  for (std::size_t half = 0; half < 2; ++half) {
    Sample sample = point;
    const double size = half == 0 ? 0.02 : 0.01;
    for (std::size_t i = 0; i < noise.size(); ++i) sample.values[i] += size * noise[i];
    const NearFeaturesModel model(sample.view(), {.lambda_w = lambda_w, .lambda_h = lambda_h});
    const auto exact = model.minimise(beta).features;
    const auto first_order = model.perturbation(beta).features;
    for (std::size_t i = 0; i < noise.size(); ++i) missed[half] += std::pow((exact[i] - first_order[i]) * beta, 2);
    EXPECT_LT(std::sqrt(missed[half]), 2 * size * sample.norm());
  }
  EXPECT_NEAR(std::sqrt(missed[1] / missed[0]), 0.25, 0.08);
}

/// tools/golden/neural_collapse.py: the definitions in NumPy.
TEST(NeuralCollapseReference, MetricsEqualNumPys) {
  const auto golden = parse_json_file(TREBLE_SOURCE_DIR "/tests/golden/neural_collapse.json");
  for (const auto& expected : golden.at("cases")) {
    const Sample sample{
        .dim = expected.at("dim"), .values = expected.at("features"), .classes = expected.at("classes")};
    const NeuralCollapse found = NearFeaturesModel(sample.view(), {.lambda_w = expected.at("lambda_w")}).collapse();
    const auto near = [&](double value, const char* key) {
      const double wanted = expected.at(key);
      EXPECT_NEAR(value, wanted, 1e-9 * std::max(1.0, std::abs(wanted))) << key << ", dim " << sample.dim;
    };
    near(found.within, "within");
    near(found.between, "between");
    near(found.nc1_traces.value(), "nc1_traces");
    near(found.nc1.value(), "nc1");
    near(found.nc2.value(), "nc2");
    near(found.nc3.value(), "nc3");
  }
}

TEST(NeuralCollapseErrors, NameWhatIsWrong) {
  const auto message = [](const Sample& sample) {
    try {
      measure_neural_collapse(sample.view());
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::invalid_argument);
      return std::string(error.what());
    }
    return std::string();
  };
  EXPECT_NE(message({2, {1, 2, 3}, {0, 1}}).find("need 4 numbers, there are 3"), std::string::npos);
  EXPECT_NE(message({1, {1, 2, 3}, {0, 2, 2}}).find("class 1, of 3"), std::string::npos);
  EXPECT_NE(message({1, {1, 2}, {0, -1}}).find("item 1 is -1"), std::string::npos);
  EXPECT_NE(message({1, {1, 2}, {0, 0}}).find("1 classes"), std::string::npos);
  EXPECT_NE(message({1, {1, std::nan("")}, {0, 1}}).find("number 0 of item 1"), std::string::npos);
  const Sample good{1, {1, 2, 3, 4}, {0, 0, 1, 1}};
  EXPECT_THROW(NearFeaturesModel(good.view(), {.lambda_w = 0}), Error);
  const NearFeaturesModel model(good.view(), {});
  EXPECT_THROW(model.minimise(-1), Error);
  EXPECT_THROW(model.flow(std::array{2.0, 1.0}), Error);
  EXPECT_THROW(model.perturbation(0), Error);
  EXPECT_THROW(model.perturbation(1), Error) << "fewer dimensions than classes";
}

TEST(NeuralCollapseErrors, WhatIsNotDefinedIsUnset) {
  const Sample alike{2, {1, 2, 3, 4, 1, 2, 3, 4}, {0, 0, 1, 1}};
  const NeuralCollapse found = measure_neural_collapse(alike.view());
  EXPECT_GT(found.within, 0);
  EXPECT_EQ(found.between, 0);
  EXPECT_FALSE(found.nc1_traces || found.nc1 || found.nc2);
  const Sample single{2, {1, 2, 3, 4}, {0, 1}};
  EXPECT_EQ(measure_neural_collapse(single.view()).nc1_traces, 0.0);
}

/// What all features share says nothing of classes, however large it is.
TEST(NeuralCollapseReference, ACommonOffsetChangesNothing) {
  Sample sample = reference_sample();
  const NeuralCollapse expected = measure_neural_collapse(sample.view());
  for (double& value : sample.values) value = value * 1e-4 + 1000;
  const NeuralCollapse found = measure_neural_collapse(sample.view());
  EXPECT_NEAR(found.nc1.value(), expected.nc1.value(), 1e-6);
  EXPECT_NEAR(found.nc1_traces.value(), expected.nc1_traces.value(), 1e-6);
  EXPECT_NEAR(found.nc2.value(), expected.nc2.value(), 1e-6);
}

TEST(NeuralCollapseErrors, AStopEndsTheCall) {
  std::stop_source source;
  source.request_stop();
  const NearFeaturesModel model(reference_sample().view(), {.stop = source.get_token()});
  EXPECT_THROW(model.minimise(1), Error);
  EXPECT_THROW(model.flow(std::array{1.0}), Error);
}

}  // namespace
}  // namespace treble::internal
