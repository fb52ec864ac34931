#include "diagnostics/isotropy.h"

#include <algorithm>
#include <cmath>

#include "linear_algebra/decompositions.h"

namespace treble::internal {

namespace {

using Matrix = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

Matrix to_double(ConstMatrixView vectors) {
  Matrix result(vectors.rows, vectors.cols);
  for (std::int64_t row = 0; row < vectors.rows; ++row) {
    for (std::int64_t col = 0; col < vectors.cols; ++col) result(row, col) = double{vectors.row(row)[col]};
  }
  return result;
}

/// An eigenvector's sign is arbitrary; a fixed one makes pictures repeatable.
void fix_sign(Eigen::VectorXd& axis) {
  Eigen::Index largest = 0;
  axis.cwiseAbs().maxCoeff(&largest);
  if (axis(largest) < 0) axis = -axis;
}

double total_variance(const Spectrum& spectrum) {
  double sum = 0;
  for (const double variance : spectrum.variances) sum += variance;
  return sum;
}

}  // namespace

Spectrum covariance_spectrum(ConstMatrixView vectors, std::int64_t num_axes) {
  Spectrum spectrum;
  spectrum.dimensions = vectors.cols;
  if (vectors.rows == 0) return spectrum;
  Matrix x = to_double(vectors);
  const Eigen::RowVectorXd mean = x.colwise().mean();
  spectrum.mean.assign(mean.data(), mean.data() + mean.size());
  x.rowwise() -= mean;
  const bool wide = vectors.cols > vectors.rows;
  const Eigen::MatrixXd gram = (wide ? Eigen::MatrixXd(x * x.transpose()) : Eigen::MatrixXd(x.transpose() * x)) /
                               static_cast<double>(vectors.rows);
  const SymmetricEigen eigen = symmetric_eigen(gram);
  const Eigen::Index count = gram.rows();
  for (Eigen::Index i = count; i-- > 0;) spectrum.variances.push_back(std::max(0.0, eigen.values(i)));
  spectrum.num_axes = std::min<std::int64_t>(num_axes, count);
  for (std::int64_t i = 0; i < spectrum.num_axes; ++i) {
    Eigen::VectorXd axis = eigen.vectors.col(count - 1 - i);
    if (wide) axis = x.transpose() * axis;
    if (const double length = axis.norm(); length > 0) axis /= length;
    fix_sign(axis);
    spectrum.axes.insert(spectrum.axes.end(), axis.data(), axis.data() + axis.size());
  }
  return spectrum;
}

std::vector<double> variance_shares(const Spectrum& spectrum) {
  std::vector<double> shares = spectrum.variances;
  const double total = total_variance(spectrum);
  for (double& share : shares) share = total > 0 ? share / total : 0;
  return shares;
}

double effective_rank(const Spectrum& spectrum) {
  if (total_variance(spectrum) <= 0) return 0;
  double entropy = 0;
  for (const double share : variance_shares(spectrum)) {
    if (share > 0) entropy -= share * std::log(share);
  }
  return std::exp(entropy);
}

double isoscore(const Spectrum& spectrum) {
  const auto n = static_cast<double>(spectrum.dimensions);
  double square = 0;
  for (const double variance : spectrum.variances) square += variance * variance;
  if (square <= 0) return 0;
  if (spectrum.dimensions < 2) return 1;
  // ‖√n Σ/‖Σ‖ − 1‖² over all n axes, those without variance included.
  double distance = n - static_cast<double>(spectrum.variances.size());
  for (const double variance : spectrum.variances) {
    const double offset = std::sqrt(n) * variance / std::sqrt(square) - 1;
    distance += offset * offset;
  }
  const double defect = std::sqrt(distance) / std::sqrt(2 * (n - std::sqrt(n)));
  const double inside = n - defect * defect * (n - std::sqrt(n));
  const double fraction = inside * inside / (n * n);
  return (n * fraction - 1) / (n - 1);
}

double uniformity(ConstMatrixView vectors) {
  if (vectors.rows < 2) return 0;
  constexpr Eigen::Index kBlock = 256;
  Matrix unit = to_double(vectors);
  for (Eigen::Index row = 0; row < unit.rows(); ++row) {
    if (const double length = unit.row(row).norm(); length > 0) unit.row(row) /= length;
  }
  const Eigen::VectorXd squares = unit.rowwise().squaredNorm();
  double sum = 0;
  for (Eigen::Index first = 0; first < unit.rows(); first += kBlock) {
    const Eigen::Index rows = std::min(kBlock, unit.rows() - first);
    const Eigen::MatrixXd products = unit.middleRows(first, rows) * unit.transpose();
    for (Eigen::Index i = 0; i < rows; ++i) {
      for (Eigen::Index j = 0; j < unit.rows(); ++j) {
        if (first + i == j) continue;
        sum += std::exp(-2 * std::max(0.0, squares(first + i) + squares(j) - 2 * products(i, j)));
      }
    }
  }
  const auto count = static_cast<double>(vectors.rows);
  return std::log(sum / (count * (count - 1)));
}

}  // namespace treble::internal
