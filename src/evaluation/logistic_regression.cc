#include "evaluation/logistic_regression.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <numeric>

#include "evaluation/lbfgs.h"

namespace treble::internal {

namespace {

/// Of the mean gradient: scikit-learn stops at 1e-4.
constexpr double kTolerance = 1e-6;
constexpr int kMaxSteps = 1000;

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

}  // namespace

LogisticRegression::LogisticRegression(std::span<const float> rows, std::span<const std::int64_t> labels,
                                       std::size_t classes)
    : dim_(rows.size() / labels.size()),
      classes_(classes),
      columns_(classes == 2 ? 1 : classes),
      weights_((dim_ + 1) * columns_) {
  const auto count = static_cast<double>(labels.size());
  minimize([&](const std::vector<double>& weights,
               std::vector<double>& gradient) { return loss_and_gradient(rows, labels, weights, gradient); },
           {.tolerance = kTolerance * count, .max_steps = kMaxSteps}, weights_);
}

void LogisticRegression::add_logits(std::span<const float> row, const std::vector<double>& weights,
                                    std::span<double> logits) const {
  // Over the columns inside, so that the compiler has no sum to keep the order of.
  for (std::size_t i = 0; i < dim_; ++i) {
    const double x = row[i];
    const double* column = weights.data() + i * columns_;
    for (std::size_t c = 0; c < columns_; ++c) logits[c] += x * column[c];
  }
  const double* intercepts = weights.data() + dim_ * columns_;
  for (std::size_t c = 0; c < columns_; ++c) logits[c] += intercepts[c];
}

double LogisticRegression::loss_and_gradient(std::span<const float> rows, std::span<const std::int64_t> labels,
                                             const std::vector<double>& weights, std::vector<double>& gradient) const {
  const std::size_t penalized = dim_ * columns_;
  std::copy(weights.begin(), weights.end(), gradient.begin());
  std::fill(gradient.begin() + static_cast<std::ptrdiff_t>(penalized), gradient.end(), 0.0);
  double loss = std::inner_product(gradient.begin(), gradient.end(), gradient.begin(), 0.0) / 2;
  std::vector<double> slopes(columns_);
  for (std::size_t item = 0; item < labels.size(); ++item) {
    const auto row = rows.subspan(item * dim_, dim_);
    std::fill(slopes.begin(), slopes.end(), 0.0);
    add_logits(row, weights, slopes);
    const auto label = static_cast<std::size_t>(labels[item]);
    if (columns_ == 1) {
      const double logit = slopes[0];
      loss += softplus(logit) - (label == 1 ? logit : 0);
      slopes[0] = 1 / (1 + std::exp(-logit)) - (label == 1 ? 1 : 0);
    } else {
      const double logit = slopes[label];
      loss += softmax(slopes) - logit;
      slopes[label] -= 1;
    }
    for (std::size_t i = 0; i <= dim_; ++i) {
      const double x = i < dim_ ? double{row[i]} : 1.0;
      double* into = gradient.data() + i * columns_;
      for (std::size_t c = 0; c < columns_; ++c) into[c] += x * slopes[c];
    }
  }
  return loss;
}

std::vector<double> LogisticRegression::probabilities(std::span<const float> rows) const {
  std::vector<double> result;
  std::vector<double> logits(columns_);
  for (std::size_t first = 0; first < rows.size(); first += dim_) {
    std::fill(logits.begin(), logits.end(), 0.0);
    add_logits(rows.subspan(first, dim_), weights_, logits);
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
