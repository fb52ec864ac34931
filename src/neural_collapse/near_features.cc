#include "neural_collapse/near_features.h"

#include "linear_algebra/decompositions.h"

namespace treble::internal {

Eigen::MatrixXd NearFeatures::class_sums(const Features& x) const {
  Eigen::MatrixXd sums = Eigen::MatrixXd::Zero(num_classes, x.rows());
  for (std::size_t i = 0; i < classes.size(); ++i) {
    sums.row(classes[i]) += x.col(static_cast<Eigen::Index>(i)).transpose();
  }
  return sums;
}

Features NearFeatures::spread(const Eigen::MatrixXd& w) const {
  Features result(w.cols(), h0.cols());
  for (std::size_t i = 0; i < classes.size(); ++i) {
    result.col(static_cast<Eigen::Index>(i)) = w.row(classes[i]).transpose();
  }
  return result;
}

Eigen::MatrixXd NearFeatures::errors(const Eigen::MatrixXd& w, const Features& h) const {
  Eigen::MatrixXd result = w * h;
  for (std::size_t i = 0; i < classes.size(); ++i) result(classes[i], static_cast<Eigen::Index>(i)) -= 1;
  return result;
}

Eigen::MatrixXd NearFeatures::best_layer(const Features& h) const {
  const double ridge = class_size() * lambda_w;
  if (h.rows() <= h.cols()) {
    Eigen::MatrixXd gram = h * h.transpose();
    gram.diagonal().array() += ridge;
    return solve_symmetric(gram, class_sums(h).transpose()).transpose();
  }
  // Fewer items than dimensions: (HHᵀ + aI)⁻¹ H = H (HᵀH + aI)⁻¹.
  Eigen::MatrixXd gram = h.transpose() * h;
  gram.diagonal().array() += ridge;
  Eigen::MatrixXd labels = Eigen::MatrixXd::Zero(h.cols(), num_classes);
  for (std::size_t i = 0; i < classes.size(); ++i) labels(static_cast<Eigen::Index>(i), classes[i]) = 1;
  return (h * solve_symmetric(gram, labels)).transpose();
}

Features NearFeatures::solve_features(const Eigen::MatrixXd& w, double beta, const Features& x) const {
  // Woodbury: only a matrix of classes x classes is solved.
  const double ridge = lambda_h + beta;
  Eigen::MatrixXd inner = w * w.transpose();
  inner.diagonal().array() += ridge;
  return (x - w.transpose() * solve_symmetric(inner, w * x)) / ridge;
}

Features NearFeatures::best_features(const Eigen::MatrixXd& w, double beta) const {
  return solve_features(w, beta, spread(w) + beta * h0);
}

double NearFeatures::objective(const Eigen::MatrixXd& w, const Features& h, double beta) const {
  return 0.5 * (errors(w, h).squaredNorm() + class_size() * lambda_w * w.squaredNorm() + lambda_h * h.squaredNorm() +
                beta * (h - h0).squaredNorm());
}

Eigen::MatrixXd NearFeatures::layer_gradient(const Eigen::MatrixXd& w, const Features& h) const {
  return errors(w, h) * h.transpose() + class_size() * lambda_w * w;
}

Features NearFeatures::feature_gradient(const Eigen::MatrixXd& w, const Features& h, double beta) const {
  return w.transpose() * errors(w, h) + lambda_h * h + beta * (h - h0);
}

NeuralCollapse NearFeatures::collapse_of(const Features& h) const {
  NeuralCollapse result = measure(h, classes, num_classes);
  const Eigen::MatrixXd means = class_means(h, classes, num_classes);
  if (result.nc1_traces) {
    result.nc3 = distance_to_simplex(best_layer(h) * (means.colwise() - means.rowwise().mean()));
  }
  return result;
}

}  // namespace treble::internal
