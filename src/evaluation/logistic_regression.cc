#include "evaluation/logistic_regression.h"

#include <Eigen/Core>
#include <algorithm>
#include <cmath>

#include "evaluation/lbfgs.h"

namespace treble::internal {

namespace {

using Rows = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
using FloatRows = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

Eigen::Index index(std::size_t size) { return static_cast<Eigen::Index>(size); }

/// ln(1 + e^x) without overflow.
double softplus(double x) { return std::max(x, 0.0) + std::log1p(std::exp(-std::abs(x))); }

/// Makes probabilities of logits; returns ln Σ e^logit.
double softmax(std::span<double> logits) {
  const double highest = *std::max_element(logits.begin(), logits.end());
  double sum = 0;
  for (double& logit : logits) sum += logit = std::exp(logit - highest);
  for (double& probability : logits) probability /= sum;
  return highest + std::log(sum);
}

/// −ln p(label) of one item, whose logits become their slopes.
double take_slopes(std::span<double> logits, std::size_t label) {
  const double logit = logits.size() == 1 ? logits[0] : logits[label];
  if (logits.size() == 1) {
    logits[0] = 1 / (1 + std::exp(-logit)) - (label == 1 ? 1 : 0);
    return softplus(logit) - (label == 1 ? logit : 0);
  }
  const double loss = softmax(logits) - logit;
  logits[label] -= 1;
  return loss;
}

/// `weights` [dim + 1, columns]: the last row are the intercepts, which are free of the penalty.
double loss_and_gradient(const Rows& x, std::span<const std::int64_t> labels, const Eigen::Map<const Rows>& weights,
                         Eigen::Map<Rows> gradient) {
  const Eigen::Index dim = x.cols();
  Rows slopes = x * weights.topRows(dim);
  slopes.rowwise() += weights.row(dim);
  double loss = weights.topRows(dim).squaredNorm() / 2;
  const auto columns = static_cast<std::size_t>(slopes.cols());
  for (Eigen::Index item = 0; item < slopes.rows(); ++item) {
    loss += take_slopes({slopes.row(item).data(), columns},
                        static_cast<std::size_t>(labels[static_cast<std::size_t>(item)]));
  }
  gradient.topRows(dim) = weights.topRows(dim);
  gradient.topRows(dim).noalias() += x.transpose() * slopes;
  gradient.row(dim) = slopes.colwise().sum();
  return loss;
}

}  // namespace

LogisticRegression::LogisticRegression(std::span<const float> rows, std::span<const std::int64_t> labels,
                                       std::size_t classes, const LogisticOptions& options)
    : dim_(rows.size() / labels.size()),
      classes_(classes),
      columns_(classes == 2 ? 1 : classes),
      weights_((dim_ + 1) * columns_) {
  const auto items = static_cast<Eigen::Index>(labels.size());
  const Rows x = Eigen::Map<const FloatRows>(rows.data(), items, index(dim_)).cast<double>();
  minimize(
      [&](const std::vector<double>& weights, std::vector<double>& gradient) {
        return loss_and_gradient(x, labels, {weights.data(), index(dim_ + 1), index(columns_)},
                                 {gradient.data(), index(dim_ + 1), index(columns_)});
      },
      {.tolerance = options.tolerance * static_cast<double>(items), .max_steps = options.max_steps}, weights_);
}

std::vector<double> LogisticRegression::probabilities(std::span<const float> rows) const {
  std::vector<double> result;
  const Eigen::Map<const Rows> weights(weights_.data(), index(dim_ + 1), index(columns_));
  const Eigen::Map<const FloatRows> x(rows.data(), index(rows.size() / dim_), index(dim_));
  Rows all = x.cast<double>() * weights.topRows(index(dim_));
  all.rowwise() += weights.row(index(dim_));
  for (Eigen::Index item = 0; item < all.rows(); ++item) {
    const std::span<double> logits(all.row(item).data(), columns_);
    if (columns_ == 1) {
      const double second = 1 / (1 + std::exp(-logits[0]));
      result.insert(result.end(), {1 - second, second});
    } else {
      softmax(logits);
      result.insert(result.end(), logits.begin(), logits.end());
    }
  }
  return result;
}

std::vector<std::int64_t> LogisticRegression::predict(std::span<const float> rows) const {
  const auto likely = probabilities(rows);
  std::vector<std::int64_t> result;
  for (auto row = likely.begin(); row != likely.end(); row += static_cast<std::ptrdiff_t>(classes_)) {
    result.push_back(std::max_element(row, row + static_cast<std::ptrdiff_t>(classes_)) - row);
  }
  return result;
}

}  // namespace treble::internal
