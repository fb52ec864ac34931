// The near-features model's exact steps and derivatives. H is [dim, items], W is [classes, dim]; everything is of N·f,
// so that no step divides by N.
#pragma once

#include <Eigen/Core>
#include <cstdint>
#include <span>
#include <vector>

#include "neural_collapse/class_statistics.h"

namespace treble::internal {

struct NearFeatures {
  Eigen::Map<const Features> h0;
  std::span<const std::int64_t> classes;
  std::int64_t num_classes = 0;
  double lambda_w = 0;
  double lambda_h = 0;

  double items() const { return static_cast<double>(h0.cols()); }
  /// n = N/K.
  double class_size() const { return items() / static_cast<double>(num_classes); }

  /// Y Xᵀ for X [dim, items]: the sums of every class, [classes, dim].
  Eigen::MatrixXd class_sums(const Features& x) const;
  /// Wᵀ Y, [dim, items].
  Features spread(const Eigen::MatrixXd& w) const;
  /// W H − Y, [classes, items].
  Eigen::MatrixXd errors(const Eigen::MatrixXd& w, const Features& h) const;

  /// argmin over W: Y Hᵀ (H Hᵀ + n λ_W I)⁻¹.
  Eigen::MatrixXd best_layer(const Features& h) const;
  /// (Wᵀ W + (λ_H + β) I)⁻¹ X.
  Features solve_features(const Eigen::MatrixXd& w, double beta, const Features& x) const;
  /// argmin over H.
  Features best_features(const Eigen::MatrixXd& w, double beta) const;

  /// N·f.
  double objective(const Eigen::MatrixXd& w, const Features& h, double beta) const;
  /// Its derivative by W, and by H.
  Eigen::MatrixXd layer_gradient(const Eigen::MatrixXd& w, const Features& h) const;
  Features feature_gradient(const Eigen::MatrixXd& w, const Features& h, double beta) const;

  NeuralCollapse collapse_of(const Features& h) const;
};

/// [items, dim], row-major: the memory of [dim, items] in columns.
inline std::vector<double> rows_of(const Features& h) { return {h.data(), h.data() + h.size()}; }

}  // namespace treble::internal
