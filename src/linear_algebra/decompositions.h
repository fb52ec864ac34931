// Eigen's decompositions of dense matrices of doubles. Their templates take up to ten seconds to compile: here once,
// rather than in every file that needs them.
#pragma once

#include <Eigen/Core>

namespace treble::internal {

struct SymmetricEigen {
  Eigen::VectorXd values;   ///< rising
  Eigen::MatrixXd vectors;  ///< a column each, in the order of `values`
};

/// Eigen::SelfAdjointEigenSolver: only the lower triangle of `matrix` is read.
SymmetricEigen symmetric_eigen(const Eigen::MatrixXd& matrix);

/// The same of a tridiagonal matrix: `diagonal` [n], and what stands beside it, `off_diagonal` [n − 1].
SymmetricEigen tridiagonal_eigen(const Eigen::VectorXd& diagonal, const Eigen::VectorXd& off_diagonal);

/// X of matrix · X = right, by LDLᵀ of the symmetric `matrix`, which is positive or negative semidefinite.
Eigen::MatrixXd solve_symmetric(const Eigen::MatrixXd& matrix, const Eigen::MatrixXd& right);

}  // namespace treble::internal
