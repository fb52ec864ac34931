// Neural collapse: how far the features of labelled items have drawn to one point a class, and the model of features
// near given ones (Tirer, Huang & Niles-Weed, "Perturbation Analysis of Neural Collapse", arXiv 2210.16658): its
// minimisers, its gradient flow and its first-order perturbation.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <vector>

#include "treble/export.h"

namespace treble {

/// Features of items and the class of each. K classes, numbered from 0, with at least one item each.
struct LabelledFeatures {
  std::int64_t dim = 0;
  std::span<const double> values;         ///< [items, dim], row-major, finite
  std::span<const std::int64_t> classes;  ///< [items], 0 … K−1
};

/// How far features are collapsed. Σ_W = 1/N Σ (h − h̄_k)(h − h̄_k)ᵀ over the N items; Σ_B = 1/K Σ (h̄_k − h_G)(h̄_k −
/// h_G)ᵀ over the K class means h̄_k, h_G being their mean: for classes of one size that of all items, too. A value that
/// is not defined is unset: what is divided by tr Σ_B where all class means are alike.
struct NeuralCollapse {
  double within = 0;                 ///< tr Σ_W
  double between = 0;                ///< tr Σ_B
  std::optional<double> nc1_traces;  ///< ÑC1 = tr Σ_W / tr Σ_B
  std::optional<double> nc1;         ///< tr(Σ_W Σ_B⁺) / K
  /// Distance of the centred class means' Gram matrix G to a simplex frame: ‖G/‖G‖_F − (I − 11ᵀ/K)/√(K−1)‖_F.
  std::optional<double> nc2;
  /// The same of W(H̄ − h_G 1ᵀ), W being the best linear layer for these features; unset without one.
  std::optional<double> nc3;
};

/// NC3 needs a model (below) and is unset. Throws Error{invalid_argument} naming the sizes that disagree, a class
/// without items, a single class, and values that are not finite.
TREBLE_API NeuralCollapse measure_neural_collapse(const LabelledFeatures& features);

/// Of the model. With Y = the classes' one-hot columns, H = the features' columns [dim, N] and n = N/K:
///   f(W, H) = ‖WH − Y‖²/(2N) + λ_W ‖W‖²/(2K) + λ_H ‖H‖²/(2N) + β ‖H − H₀‖²/(2N).
/// With classes of one size this is the paper's model; with others a generalisation of ours.
struct NearFeaturesOptions {
  double lambda_w = 0.005;    ///< λ_W > 0
  double lambda_h = 0.005;    ///< λ_H > 0
  std::stop_token stop = {};  ///< heard between steps; ends the call with Error{interrupted}
};

/// A minimiser of f for one β.
struct NearFeaturesMinimiser {
  double beta = 0;
  double objective = 0;  ///< f
  /// ‖∇f‖ over both W and H, divided by the same at H₀ and its best W: 0 but for rounding.
  double residual = 0;
  std::int64_t alternations = 0;  ///< exact steps in W and in H
  std::int64_t newton_steps = 0;  ///< in W, H being the best for it
  NeuralCollapse collapse;
  std::vector<double> features;  ///< H, [items, dim], row-major
};

/// The features after a time t of the flow dH/dt = −[WᵀWH − WᵀY + λ_H H], W = YHᵀ(HHᵀ + nλ_W I)⁻¹.
struct FlowPoint {
  double time = 0;
  NeuralCollapse collapse;
  std::vector<double> features;  ///< [items, dim], row-major
};

/// An eigenvalue of a block of the perturbation's matrix, how often it occurs.
struct BlockEigenvalue {
  double value = 0;
  std::int64_t count = 0;
};

/// What the model makes of features close to collapsed ones, to first order (theorems 4.1 and 4.2): H₀ = H* + δH₀ gives
/// H* + δH with δH = F δH₀, F = I − ∇²φ(H*)/β, φ being f without its last term and W at its best, times N.
struct Perturbation {
  double c = 0;    ///< √(λ_H λ_W)
  double rho = 0;  ///< H̄ᵀH̄ = ρI of the collapsed features: (1 − c)√(λ_W/λ_H)
  /// ‖δH₀‖/‖H*‖: H* is the collapsed minimiser that is nearest to the class means.
  double distance = 0;
  std::vector<double> collapsed;  ///< H*, [items, dim], row-major
  std::vector<double> features;   ///< H* + F δH₀, [items, dim], row-major
  NeuralCollapse collapse;        ///< of these
  /// Of F_kk, which maps what happens to the features of a class to what becomes of them; the same for every class.
  std::vector<BlockEigenvalue> diagonal_block;
  /// Of F_jk, j ≠ k, which has rank one: its singular value.
  double off_diagonal_singular_value = 0;
};

/// The model around the features it is given. Every call computes anew; it may be used from several threads at once.
class NearFeaturesModel {
 public:
  /// Throws Error{invalid_argument} as measure_neural_collapse does, and for λ that are not above 0.
  TREBLE_API NearFeaturesModel(const LabelledFeatures& features, const NearFeaturesOptions& options);

  /// Of H₀, NC3 included.
  TREBLE_API NeuralCollapse collapse() const;

  /// From H₀: alternating exact steps, then Newton's method (conjugate gradients, line search) down to rounding.
  /// Throws Error{invalid_argument} for a β below 0 or not finite.
  TREBLE_API NearFeaturesMinimiser minimise(double beta) const;

  /// Features at each of `times`, which rise from at least 0: an adaptive Dormand-Prince integrator (Boost.odeint),
  /// relative tolerance 1e-10. Throws Error{invalid_argument}.
  TREBLE_API std::vector<FlowPoint> flow(std::span<const double> times) const;

  /// Throws Error{unsupported} where the theorems do not apply, saying why: classes of several sizes, fewer dimensions
  /// than classes, c ≥ 1, class means of a lower rank than K; Error{invalid_argument} for a β that is not above 0.
  TREBLE_API Perturbation perturbation(double beta) const;

 private:
  std::int64_t dim_;
  std::int64_t num_classes_;
  std::vector<double> values_;
  std::vector<std::int64_t> classes_;
  NearFeaturesOptions options_;
};

}  // namespace treble
