#include "chebyshev.h"

#include <cmath>
#include <numbers>

namespace incomplete_rg {

namespace {

/// Weights of ∫ over [−1, 1]: the cosine series through the values, integrated term by term.
Eigen::RowVectorXd clenshaw_curtis(int degree) {
  Eigen::RowVectorXd weights(degree + 1);
  for (int j = 0; j <= degree; ++j) {
    double sum = 0;
    for (int k = 0; k <= degree; k += 2) {
      const double half = k == 0 || k == degree ? 0.5 : 1;
      sum += half * std::cos(std::numbers::pi * j * k / degree) * 2 / (1.0 - k * k);
    }
    weights[j] = sum * (j == 0 || j == degree ? 1 : 2) / degree;
  }
  return weights;
}

}  // namespace

ChebyshevGrid::ChebyshevGrid(int degree) : nodes(degree + 1), first(degree + 1, degree + 1) {
  // (1 + cos θ)/2 = cos² θ/2, and differences of cosines as products of sines: no cancellation near the ends.
  const double step = std::numbers::pi / (2.0 * degree);
  for (int i = 0; i <= degree; ++i) nodes[i] = i == degree ? 0 : std::pow(std::cos(step * i), 2);
  const auto end_weight = [&](int i) { return i == 0 || i == degree ? 2.0 : 1.0; };
  for (int i = 0; i <= degree; ++i) {
    first(i, i) = 0;
    for (int j = 0; j <= degree; ++j) {
      if (i == j) continue;
      const double difference = std::sin(step * (i + j)) * std::sin(step * (j - i));
      first(i, j) = end_weight(i) / end_weight(j) * ((i + j) % 2 == 0 ? 1 : -1) / difference;
    }
    // The derivative of a constant is zero to rounding.
    first(i, i) = -first.row(i).sum();
  }
  second = first.lazyProduct(first);  // small and once; the blocked product would double this file's compile time
  integral = clenshaw_curtis(degree) / 2;
}

}  // namespace incomplete_rg
