// Logistic regression on frozen vectors, as mteb judges classification.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace treble::internal {

struct LogisticOptions {
  double tolerance = 1e-6;  ///< of the largest entry of the mean gradient; scikit-learn stops at 1e-4
  int max_steps = 1000;     ///< of L-BFGS
};

/// Minimises ½‖W‖² + Σ −ln p(label | x), the intercepts free of the penalty: scikit-learn's LogisticRegression with
/// C = 1. Two classes are one column of weights and a sigmoid, more a softmax, as there.
class LogisticRegression {
 public:
  /// `rows` [labels.size(), dim]; labels are 0 … classes − 1, at least two of them. Runs L-BFGS.
  LogisticRegression(std::span<const float> rows, std::span<const std::int64_t> labels, std::size_t classes,
                     const LogisticOptions& options = {});

  /// The class of each row; of equally likely ones the first.
  std::vector<std::int64_t> predict(std::span<const float> rows) const;
  /// [row, class].
  std::vector<double> probabilities(std::span<const float> rows) const;

 private:
  std::size_t dim_;
  std::size_t classes_;
  std::size_t columns_;          ///< 1 for two classes, else one a class
  std::vector<double> weights_;  ///< [dim + 1, columns]; the last row are the intercepts
};

}  // namespace treble::internal
