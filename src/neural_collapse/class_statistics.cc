#include "neural_collapse/class_statistics.h"

#include <algorithm>
#include <cmath>

#include "base/fail.h"
#include "linear_algebra/decompositions.h"

namespace treble {

namespace internal {

namespace {

/// Rounding, as a share: of the largest squared singular value, and of what was subtracted in centring.
constexpr double kRoundingShare = 1e-13;

}  // namespace

PrincipalAxes principal_axes(const Eigen::MatrixXd& centred, double length) {
  const bool by_dimension = centred.rows() <= centred.cols();
  const Eigen::MatrixXd product =
      by_dimension ? Eigen::MatrixXd(centred * centred.transpose()) : Eigen::MatrixXd(centred.transpose() * centred);
  const SymmetricEigen eigen = symmetric_eigen(product);
  const Eigen::VectorXd& squares = eigen.values;
  const double min_square =
      std::max(kRoundingShare * squares[squares.size() - 1], std::pow(kRoundingShare * length, 2));
  const Eigen::Index rank = (squares.array() > min_square).count();
  PrincipalAxes axes{eigen.vectors.rightCols(rank), squares.tail(rank)};
  if (!by_dimension) axes.directions = centred * axes.directions * axes.squares.cwiseSqrt().cwiseInverse().asDiagonal();
  return axes;
}

std::int64_t check_features(const LabelledFeatures& features) {
  const auto items = static_cast<std::int64_t>(features.classes.size());
  const auto numbers = static_cast<std::int64_t>(features.values.size());
  if (features.dim < 1 || numbers != items * features.dim) {
    fail(ErrorCode::invalid_argument, "features: {} items of {} numbers each need {} numbers, there are {}", items,
         features.dim, items * features.dim, numbers);
  }
  std::vector<std::int64_t> counts;
  for (std::int64_t i = 0; i < items; ++i) {
    const std::int64_t k = features.classes[static_cast<std::size_t>(i)];
    if (k < 0 || k >= items) {
      fail(ErrorCode::invalid_argument, "features: the class of item {} is {}; classes are numbered from 0", i, k);
    }
    if (static_cast<std::size_t>(k) >= counts.size()) counts.resize(static_cast<std::size_t>(k) + 1);
    ++counts[static_cast<std::size_t>(k)];
  }
  if (counts.size() < 2) {
    fail(ErrorCode::invalid_argument, "features: {} items of {} classes; neural collapse is about two or more", items,
         counts.size());
  }
  const auto empty = std::find(counts.begin(), counts.end(), 0);
  if (empty != counts.end()) {
    fail(ErrorCode::invalid_argument, "features: no item is of class {}, of {} classes", empty - counts.begin(),
         counts.size());
  }
  const auto bad =
      std::find_if_not(features.values.begin(), features.values.end(), [](double x) { return std::isfinite(x); });
  if (bad != features.values.end()) {
    const auto place = bad - features.values.begin();
    fail(ErrorCode::invalid_argument, "features: number {} of item {} is {}", place % features.dim,
         place / features.dim, *bad);
  }
  return static_cast<std::int64_t>(counts.size());
}

Eigen::MatrixXd class_means(const Eigen::Ref<const Features>& h, std::span<const std::int64_t> classes,
                            std::int64_t num_classes) {
  Eigen::MatrixXd means = Eigen::MatrixXd::Zero(h.rows(), num_classes);
  Eigen::VectorXd counts = Eigen::VectorXd::Zero(num_classes);
  for (std::size_t i = 0; i < classes.size(); ++i) {
    means.col(classes[i]) += h.col(static_cast<Eigen::Index>(i));
    counts[classes[i]] += 1;
  }
  return means * counts.cwiseInverse().asDiagonal();
}

std::optional<double> distance_to_simplex(const Eigen::MatrixXd& matrix) {
  const double norm = matrix.norm();
  if (norm == 0) return std::nullopt;
  const auto k = static_cast<double>(matrix.rows());
  Eigen::MatrixXd difference = matrix / norm;
  difference.diagonal().array() -= 1 / std::sqrt(k - 1);
  difference.array() += 1 / (k * std::sqrt(k - 1));
  return difference.norm();
}

NeuralCollapse measure(const Eigen::Ref<const Features>& h, std::span<const std::int64_t> classes,
                       std::int64_t num_classes) {
  const Eigen::MatrixXd means = class_means(h, classes, num_classes);
  const Eigen::MatrixXd centred = means.colwise() - means.rowwise().mean();
  const auto items = static_cast<double>(classes.size());
  const auto k = static_cast<double>(num_classes);
  // tr(Σ_W Σ_B⁺) by Σ_B = U (s²/K) Uᵀ, U s Vᵀ being the centred means: Σ over axes of Σ_W's variance over Σ_B's.
  const PrincipalAxes axes = principal_axes(centred, means.norm());
  NeuralCollapse result;
  Eigen::VectorXd along = Eigen::VectorXd::Zero(axes.squares.size());
  for (std::size_t i = 0; i < classes.size(); ++i) {
    const Eigen::VectorXd deviation = h.col(static_cast<Eigen::Index>(i)) - means.col(classes[i]);
    result.within += deviation.squaredNorm() / items;
    along += (axes.directions.transpose() * deviation).cwiseAbs2() / items;
  }
  if (axes.squares.size() == 0) return result;
  result.between = centred.squaredNorm() / k;
  result.nc1_traces = result.within / result.between;
  result.nc1 = (along.array() / (axes.squares.array() / k)).sum() / k;
  result.nc2 = distance_to_simplex(centred.transpose() * centred);
  return result;
}

}  // namespace internal

NeuralCollapse measure_neural_collapse(const LabelledFeatures& features) {
  const std::int64_t num_classes = internal::check_features(features);
  return internal::measure(internal::columns(features.values, features.dim), features.classes, num_classes);
}

}  // namespace treble
