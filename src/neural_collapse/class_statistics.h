// Class means, scatters and the distances to a simplex frame.
#pragma once

#include <Eigen/Core>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "treble/neural_collapse.h"

namespace treble::internal {

/// Features as columns, [dim, items].
using Features = Eigen::MatrixXd;

/// A view of row-major [items, dim] as [dim, items].
inline Eigen::Map<const Features> columns(std::span<const double> values, std::int64_t dim) {
  return {values.data(), dim, static_cast<Eigen::Index>(values.size()) / dim};
}

/// The number of classes. Throws Error{invalid_argument} for what measure_neural_collapse refuses.
std::int64_t check_features(const LabelledFeatures& features);

/// [dim, classes]
Eigen::MatrixXd class_means(const Eigen::Ref<const Features>& h, std::span<const std::int64_t> classes,
                            std::int64_t num_classes);

/// The principal axes of centred class means, and the squares of their singular values, rising; without those that are
/// rounding.
struct PrincipalAxes {
  Eigen::MatrixXd directions;  ///< [dim, rank]
  Eigen::VectorXd squares;     ///< [rank]
};

/// By the smaller of the two products of `centred` [dim, classes] with itself. `length`: the norm of what it was
/// before.
PrincipalAxes principal_axes(const Eigen::MatrixXd& centred, double length);

/// All but NC3.
NeuralCollapse measure(const Eigen::Ref<const Features>& h, std::span<const std::int64_t> classes,
                       std::int64_t num_classes);

/// ‖M/‖M‖_F − (I − 11ᵀ/K)/√(K−1)‖_F; unset for a matrix of zeros.
std::optional<double> distance_to_simplex(const Eigen::MatrixXd& matrix);

}  // namespace treble::internal
