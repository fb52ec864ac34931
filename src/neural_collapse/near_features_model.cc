#include <algorithm>
#include <boost/numeric/odeint.hpp>
#include <cmath>

#include "base/fail.h"
#include "base/stop.h"
#include "linear_algebra/decompositions.h"
#include "neural_collapse/near_features.h"
#include "treble/neural_collapse.h"

namespace treble {

using namespace internal;

namespace {

constexpr std::int64_t kMaxAlternations = 500;
/// Where Newton's method takes over.
constexpr double kCloseEnough = 1e-4;
constexpr std::int64_t kMaxNewtonSteps = 60;
constexpr std::int64_t kMaxConjugateGradients = 1000;
constexpr int kMaxHalvings = 40;
/// Of the residual: below this there is nothing but rounding.
constexpr double kRounding = 1e-15;
/// Of the objective: a smaller gain is lost in its rounding.
constexpr double kVisible = 1e-12;
/// Of an upper bound of the second derivative: below it there is nothing but rounding.
constexpr double kFlat = 1e-13;
constexpr double kTolerance = 1e-10;
/// Of the class means' smallest and largest squared singular values: below it they have no rank K.
constexpr double kMinSquareRatio = 1e-12;
constexpr double kFirstTimeStep = 1e-2;

class Minimisation {
 public:
  Minimisation(const NearFeatures& model, double beta, const std::stop_token& stop)
      : model_(model), beta_(beta), stop_(stop), h_(model.h0), w_(model.best_layer(h_)) {
    // What cancels in the gradient at H0.
    scale_ = (w_.transpose() * model.errors(w_, h_)).norm() + (model.lambda_h + beta) * h_.norm();
  }

  NearFeaturesMinimiser run() {
    alternate();
    while (result_.newton_steps < kMaxNewtonSteps && residual() > kRounding && newton_step()) ++result_.newton_steps;
    result_.beta = beta_;
    result_.objective = model_.objective(w_, h_, beta_) / model_.items();
    result_.residual = residual();
    result_.collapse = model_.collapse_of(h_);
    result_.features = rows_of(h_);
    return std::move(result_);
  }

 private:
  double residual() const {
    if (scale_ == 0) return 0;
    return std::hypot(model_.layer_gradient(w_, h_).norm(), model_.feature_gradient(w_, h_, beta_).norm()) / scale_;
  }

  void alternate() {
    while (result_.alternations < kMaxAlternations) {
      check_stop(stop_, "the near-features model");
      h_ = model_.best_features(w_, beta_);
      w_ = model_.best_layer(h_);
      ++result_.alternations;
      if (residual() < kCloseEnough) return;
    }
  }

  /// The second derivative of min over H of N·f, applied to a step of W; H is the best for W.
  Eigen::MatrixXd curvature(const Eigen::MatrixXd& errors, const Eigen::MatrixXd& step) const {
    const Features moved =
        -model_.solve_features(w_, beta_, Features(step.transpose() * errors + w_.transpose() * (step * h_)));
    return (step * h_ + w_ * moved) * h_.transpose() + errors * moved.transpose() +
           model_.class_size() * model_.lambda_w * step;
  }

  /// By conjugate gradients; where the second derivative is not positive, the way down so far. Along turns of collapsed
  /// features it is zero, and rounding of it must not become a long step.
  Eigen::MatrixXd direction(const Eigen::MatrixXd& gradient) const {
    const Eigen::MatrixXd errors = model_.errors(w_, h_);
    Eigen::MatrixXd x = Eigen::MatrixXd::Zero(w_.rows(), w_.cols());
    Eigen::MatrixXd r = -gradient;
    Eigen::MatrixXd p = r;
    double rr = r.squaredNorm();
    const double flat = kFlat * (h_.squaredNorm() + model_.class_size() * model_.lambda_w);
    const double enough = rr * std::min(1e-2, std::sqrt(rr) / scale_) * 1e-2;
    const std::int64_t steps = std::min<std::int64_t>(kMaxConjugateGradients, 2 * w_.size());
    for (std::int64_t i = 0; i < steps && rr > enough; ++i) {
      check_stop(stop_, "the near-features model");
      const Eigen::MatrixXd bent = curvature(errors, p);
      const double along = p.cwiseProduct(bent).sum();
      if (along <= flat * p.squaredNorm()) return i == 0 ? Eigen::MatrixXd(-gradient) : x;
      const double alpha = rr / along;
      x += alpha * p;
      r -= alpha * bent;
      const double next = r.squaredNorm();
      p = r + (next / rr) * p;
      rr = next;
    }
    return x;
  }

  /// False when no step makes it better: it is down to rounding.
  bool newton_step() {
    h_ = model_.best_features(w_, beta_);
    const Eigen::MatrixXd gradient = model_.layer_gradient(w_, h_);
    const double norm = gradient.norm();
    const double value = model_.objective(w_, h_, beta_);
    const Eigen::MatrixXd step = direction(gradient);
    const double slope = step.cwiseProduct(gradient).sum();
    // Where the value cannot show what a step gains, the gradient must: a step that does not even halve it is rounding.
    const bool shows = -slope > kVisible * value;
    double size = 1;
    for (int halving = 0; halving < kMaxHalvings; ++halving, size /= 2) {
      const Eigen::MatrixXd w = w_ + size * step;
      const Features h = model_.best_features(w, beta_);
      const bool better = shows ? model_.objective(w, h, beta_) < value + 1e-4 * size * slope
                                : model_.layer_gradient(w, h).norm() < 0.5 * norm;
      if (!better) continue;
      w_ = w;
      h_ = h;
      return true;
    }
    return false;
  }

  const NearFeatures& model_;
  double beta_;
  const std::stop_token& stop_;
  Features h_;
  Eigen::MatrixXd w_;
  double scale_ = 0;
  NearFeaturesMinimiser result_;
};

/// A system for odeint: the features' memory, and how fast it changes.
struct Flow {
  const NearFeatures* model;
  const std::stop_token* stop;

  void operator()(const std::vector<double>& state, std::vector<double>& change, double) const {
    check_stop(*stop, "the gradient flow");
    const Features h = columns(state, model->h0.rows());
    change.resize(state.size());
    Eigen::Map<Features>(change.data(), h.rows(), h.cols()) = -model->feature_gradient(model->best_layer(h), h, 0);
  }
};

void check_times(std::span<const double> times) {
  double before = 0;
  for (const double time : times) {
    if (!std::isfinite(time) || time < before) {
      fail(ErrorCode::invalid_argument, "flow: times must rise from at least 0, got {} after {}", time, before);
    }
    before = time;
  }
}

/// What keeps the theorems from applying, or the size of a class.
std::int64_t equal_class_size(std::span<const std::int64_t> classes, std::int64_t num_classes, std::int64_t dim,
                              double c) {
  std::vector<std::int64_t> counts(static_cast<std::size_t>(num_classes));
  for (const std::int64_t k : classes) ++counts[static_cast<std::size_t>(k)];
  const auto [smallest, largest] = std::minmax_element(counts.begin(), counts.end());
  if (*smallest != *largest) {
    fail(ErrorCode::unsupported,
         "perturbation: classes have {} to {} items; the theorems are about classes of one size", *smallest, *largest);
  }
  if (dim < num_classes) {
    fail(ErrorCode::unsupported, "perturbation: {} dimensions for {} classes; collapsed features need at least as many",
         dim, num_classes);
  }
  if (c >= 1) {
    fail(ErrorCode::unsupported,
         "perturbation: c = sqrt(lambda_h lambda_w) is {}; from 1 on the collapsed minimiser is zero", c);
  }
  return *smallest;
}

/// The features of classes at √ρ times orthonormal points that are nearest to the class means (the polar factor).
Features nearest_collapsed(const NearFeatures& model, double rho) {
  const Eigen::MatrixXd means = class_means(model.h0, model.classes, model.num_classes);
  const SymmetricEigen gram = symmetric_eigen(means.transpose() * means);
  const Eigen::VectorXd& squares = gram.values;
  if (squares[0] <= kMinSquareRatio * squares[squares.size() - 1]) {
    fail(ErrorCode::unsupported, "perturbation: the {} class means lie in fewer than {} dimensions", model.num_classes,
         model.num_classes);
  }
  const Eigen::MatrixXd inverse_root =
      gram.vectors * squares.cwiseSqrt().cwiseInverse().asDiagonal() * gram.vectors.transpose();
  return model.spread((std::sqrt(rho) * means * inverse_root).transpose());
}

/// ∇²φ(H) applied to D: φ is min over W of N·f without the term of β.
Features second_derivative(const NearFeatures& model, const Features& h, const Features& d) {
  const Eigen::MatrixXd w = model.best_layer(h);
  const Eigen::MatrixXd errors = model.errors(w, h);
  Eigen::MatrixXd gram = h * h.transpose();
  gram.diagonal().array() += model.class_size() * model.lambda_w;
  const Eigen::MatrixXd cross = d * h.transpose();
  const Eigen::MatrixXd right = model.class_sums(d) - w * (cross + cross.transpose());
  const Eigen::MatrixXd step = solve_symmetric(gram, right.transpose()).transpose();
  return step.transpose() * errors + w.transpose() * (step * h + w * d) + model.lambda_h * d;
}

NearFeatures problem(const std::vector<double>& values, std::int64_t dim, std::span<const std::int64_t> classes,
                     std::int64_t num_classes, const NearFeaturesOptions& options) {
  return {columns(values, dim), classes, num_classes, options.lambda_w, options.lambda_h};
}

}  // namespace

NearFeaturesModel::NearFeaturesModel(const LabelledFeatures& features, const NearFeaturesOptions& options)
    : dim_(features.dim),
      num_classes_(check_features(features)),
      values_(features.values.begin(), features.values.end()),
      classes_(features.classes.begin(), features.classes.end()),
      options_(options) {
  const auto check = [](const char* name, double value) {
    if (!(value > 0) || !std::isfinite(value))
      fail(ErrorCode::invalid_argument, "{} must be above 0, got {}", name, value);
  };
  check("lambda_w", options.lambda_w);
  check("lambda_h", options.lambda_h);
}

NeuralCollapse NearFeaturesModel::collapse() const {
  const NearFeatures model = problem(values_, dim_, classes_, num_classes_, options_);
  return model.collapse_of(model.h0);
}

NearFeaturesMinimiser NearFeaturesModel::minimise(double beta) const {
  if (!(beta >= 0) || !std::isfinite(beta)) {
    fail(ErrorCode::invalid_argument, "beta must be at least 0, got {}", beta);
  }
  const NearFeatures model = problem(values_, dim_, classes_, num_classes_, options_);
  return Minimisation(model, beta, options_.stop).run();
}

std::vector<FlowPoint> NearFeaturesModel::flow(std::span<const double> times) const {
  namespace odeint = boost::numeric::odeint;
  check_times(times);
  std::vector<FlowPoint> points;
  if (times.empty()) return points;
  const NearFeatures model = problem(values_, dim_, classes_, num_classes_, options_);
  std::vector<double> grid(times.begin(), times.end());
  const bool starts_at_zero = grid.front() == 0;
  if (!starts_at_zero) grid.insert(grid.begin(), 0.0);
  std::vector<double> state = values_;
  const double absolute = kTolerance * model.h0.norm() / std::sqrt(static_cast<double>(model.h0.size()));
  const auto stepper = odeint::make_dense_output(std::max(absolute, 1e-300), kTolerance,
                                                 odeint::runge_kutta_dopri5<std::vector<double>>());
  bool first = !starts_at_zero;
  const auto keep = [&](const std::vector<double>& h, double time) {
    if (!std::exchange(first, false)) points.push_back({time, model.collapse_of(columns(h, dim_)), h});
  };
  odeint::integrate_times(stepper, Flow{&model, &options_.stop}, state, grid.begin(), grid.end(), kFirstTimeStep, keep);
  return points;
}

Perturbation NearFeaturesModel::perturbation(double beta) const {
  if (!(beta > 0) || !std::isfinite(beta)) {
    fail(ErrorCode::invalid_argument, "perturbation: beta must be above 0, got {}", beta);
  }
  const NearFeatures model = problem(values_, dim_, classes_, num_classes_, options_);
  const double lambda_w = options_.lambda_w;
  const double lambda_h = options_.lambda_h;
  Perturbation result;
  result.c = std::sqrt(lambda_h * lambda_w);
  const std::int64_t n = equal_class_size(classes_, num_classes_, dim_, result.c);
  result.rho = (1 - result.c) * std::sqrt(lambda_w / lambda_h);
  const Features collapsed = nearest_collapsed(model, result.rho);
  const Features delta = model.h0 - collapsed;
  result.distance = delta.norm() / collapsed.norm();
  const Features features = collapsed + delta - second_derivative(model, collapsed, delta) / beta;
  result.collapsed = rows_of(collapsed);
  result.features = rows_of(features);
  result.collapse = model.collapse_of(features);
  const double across = 2 * lambda_h * (1 - result.c) / beta;
  const std::int64_t k = num_classes_;
  for (const BlockEigenvalue& one : {BlockEigenvalue{1, dim_ - k},
                                     {1 - lambda_h / beta, (n - 1) * (dim_ - k)},
                                     {1 - std::sqrt(lambda_h / lambda_w) / beta, (n - 1) * k},
                                     {1 - across, k - 1},
                                     {1 - 2 * across, 1}}) {
    if (one.count > 0) result.diagonal_block.push_back(one);
  }
  result.off_diagonal_singular_value = across;
  return result;
}

}  // namespace treble
