// Logistic regression on frozen vectors, as mteb judges classification.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace treble::internal {

/// Minimises ½‖W‖² + Σ −ln p(label | x), the intercepts free of the penalty: scikit-learn's LogisticRegression with
/// C = 1. Two classes are one column of weights and a sigmoid, more a softmax, as there.
class LogisticRegression {
 public:
  /// `rows` [labels.size(), dim]; labels are 0 … classes − 1, at least two of them. Runs L-BFGS until no entry of the
  /// mean gradient is above 1e-6, at most 1000 steps.
  LogisticRegression(std::span<const float> rows, std::span<const std::int64_t> labels, std::size_t classes);

  /// The class of each row; of equally likely ones the first.
  std::vector<std::int64_t> predict(std::span<const float> rows) const;
  /// [row, class].
  std::vector<double> probabilities(std::span<const float> rows) const;

 private:
  double loss_and_gradient(std::span<const float> rows, std::span<const std::int64_t> labels,
                           const std::vector<double>& weights, std::vector<double>& gradient) const;
  void add_logits(std::span<const float> row, const std::vector<double>& weights, std::span<double> logits) const;

  std::size_t dim_;
  std::size_t classes_;
  std::size_t columns_;          ///< 1 for two classes, else one a class
  std::vector<double> weights_;  ///< [dim + 1, columns]; the last row are the intercepts
};

}  // namespace treble::internal
