// Chebyshev collocation on [0, 1]: nodes, derivatives and integrals of functions that are given at the nodes.
#pragma once

#include <Eigen/Core>

namespace incomplete_rg {

struct ChebyshevGrid {
  /// Polynomials of degree `degree` ≥ 2 at the degree + 1 Gauss–Lobatto points.
  explicit ChebyshevGrid(int degree);

  Eigen::VectorXd nodes;        ///< falling from 1 to 0
  Eigen::MatrixXd first;        ///< values → first derivatives
  Eigen::MatrixXd second;       ///< values → second derivatives
  Eigen::RowVectorXd integral;  ///< Clenshaw–Curtis weights
};

}  // namespace incomplete_rg
