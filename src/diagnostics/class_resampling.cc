#include "diagnostics/class_resampling.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>
#include <utility>

#include "kernels/execution.h"
#include "kernels/linear.h"
#include "kernels/workspace.h"
#include "neural_collapse/class_statistics.h"

namespace treble::internal {

namespace {

constexpr double kUndefined = std::numeric_limits<double>::quiet_NaN();
/// Numbers of class means that are held at a time.
constexpr Eigen::Index kMeansAtATime = Eigen::Index{1} << 20;
/// Of NC1 and NC2: percentiles of 2.5 % take some, and each costs what many of the others do.
constexpr double kMaxSpectral = 200;
constexpr double kMinSpectral = 50;
/// Multiplications that may be spent on their eigenvalues: a second or so.
constexpr double kSpectralWork = 2e9;

int spectral_resamples(Eigen::Index dim, Eigen::Index classes, int resamples) {
  const auto rank = static_cast<double>(std::min(dim, classes));
  const double each = 10 * rank * rank * rank;
  return std::min(resamples, static_cast<int>(std::clamp(kSpectralWork / each, kMinSpectral, kMaxSpectral)));
}

/// Vectors along axes, by the kernels' GEMM in float32: it would take most of the time, and what is wanted is a spread.
class AxisProjection {
 public:
  explicit AxisProjection(const Eigen::MatrixXd& h) : AxisProjection(Eigen::MatrixXf(h.cast<float>())) {}

  /// [texts, axes]
  Eigen::MatrixXf run(const Eigen::MatrixXd& directions) {
    const Eigen::MatrixXf axes = directions.cast<float>();
    Eigen::MatrixXf on_axes(vectors_.out_features(), axes.cols());
    vectors_.run(Execution(workspace_), {axes.data(), axes.cols(), axes.rows()},
                 {on_axes.data(), on_axes.cols(), on_axes.rows()});
    return on_axes;
  }

 private:
  /// Columns [dim, texts] are rows [texts, dim].
  explicit AxisProjection(const Eigen::MatrixXf& h) : vectors_({h.data(), h.cols(), h.rows()}, {}, {}) {}

  Workspace workspace_;
  Linear vectors_;
};

/// Resampled scatters of one group.
class Resampler {
 public:
  Resampler(const Eigen::MatrixXd& h, std::span<const std::int64_t> sizes, const BootstrapOptions& options)
      : h_(h),
        projection_(h),
        squares_(h.colwise().squaredNorm()),
        sizes_(static_cast<Eigen::Index>(sizes.size())),
        generator_(options.seed) {
    for (std::size_t k = 0; k < sizes.size(); ++k) sizes_[static_cast<Eigen::Index>(k)] = static_cast<double>(sizes[k]);
    spectral_ = spectral_resamples(h.rows(), sizes_.size(), options.resamples);
  }

  ClassResamples run(int resamples) {
    const Eigen::Index at_a_time = std::clamp<Eigen::Index>(kMeansAtATime / (h_.rows() * sizes_.size()), 1, 64);
    for (Eigen::Index first = 0; first < resamples; first += at_a_time) {
      add_resamples(std::min<Eigen::Index>(at_a_time, resamples - first));
    }
    return std::move(result_);
  }

 private:
  /// How often each text is drawn, [texts, resamples].
  Eigen::MatrixXd draw_counts(Eigen::Index resamples) {
    Eigen::MatrixXd counts = Eigen::MatrixXd::Zero(h_.cols(), resamples);
    for (Eigen::Index resample = 0; resample < resamples; ++resample) {
      Eigen::Index first = 0;
      for (const double texts : sizes_) {
        const auto size = static_cast<std::uint64_t>(texts);
        for (std::uint64_t draw = 0; draw < size; ++draw) {
          counts(first + static_cast<Eigen::Index>(generator_() % size), resample) += 1;
        }
        first += static_cast<Eigen::Index>(size);
      }
    }
    return counts;
  }

  void add_resamples(Eigen::Index resamples) {
    const Eigen::MatrixXd counts = draw_counts(resamples);
    std::vector<Eigen::MatrixXd> means(static_cast<std::size_t>(resamples), Eigen::MatrixXd(h_.rows(), sizes_.size()));
    Eigen::Index first = 0;
    for (Eigen::Index k = 0; k < sizes_.size(); ++k) {
      const auto size = static_cast<Eigen::Index>(sizes_[k]);
      const Eigen::MatrixXd sums = h_.middleCols(first, size) * counts.middleRows(first, size);
      for (Eigen::Index r = 0; r < resamples; ++r) means[static_cast<std::size_t>(r)].col(k) = sums.col(r) / sizes_[k];
      first += size;
    }
    for (Eigen::Index r = 0; r < resamples; ++r) add(means[static_cast<std::size_t>(r)], counts.col(r));
  }

  void add(const Eigen::MatrixXd& means, const Eigen::VectorXd& counts) {
    const auto texts = static_cast<double>(h_.cols());
    const Eigen::MatrixXd centred = means.colwise() - means.rowwise().mean();
    const double of_means = means.colwise().squaredNorm() * sizes_;
    const double within = std::max(0.0, (squares_ * counts)(0) - of_means) / texts;
    const double between = centred.squaredNorm() / static_cast<double>(sizes_.size());
    result_.within.push_back(within);
    result_.between.push_back(between);
    result_.nc1_traces.push_back(between > 0 ? within / between : kUndefined);
    if (std::ssize(result_.nc1) < spectral_) add_spectral(means, centred, counts);
  }

  void add_spectral(const Eigen::MatrixXd& means, const Eigen::MatrixXd& centred, const Eigen::VectorXd& counts) {
    const PrincipalAxes axes = principal_axes(centred, means.norm());
    if (axes.squares.size() == 0) {
      result_.nc1.push_back(kUndefined);
      result_.nc2.push_back(kUndefined);
      return;
    }
    const Eigen::MatrixXd squares = projection_.run(axes.directions).cast<double>().cwiseAbs2();
    const Eigen::MatrixXd means_on_axes = axes.directions.transpose() * means;
    const Eigen::VectorXd along = squares.transpose() * counts - means_on_axes.cwiseAbs2() * sizes_;
    result_.nc1.push_back((along.array().max(0) / axes.squares.array()).sum() / static_cast<double>(h_.cols()));
    // ‖G/‖G‖ − S‖² = 2 − 2 tr(G S)/‖G‖ for S of norm 1, and tr(G S) = tr G / √(K−1) as G's rows sum to 0.
    const double cosine =
        axes.squares.sum() / (axes.squares.norm() * std::sqrt(static_cast<double>(sizes_.size() - 1)));
    result_.nc2.push_back(std::sqrt(std::max(0.0, 2 - 2 * cosine)));
  }

  const Eigen::MatrixXd& h_;
  AxisProjection projection_;
  Eigen::RowVectorXd squares_;  ///< [texts]: of their lengths
  Eigen::VectorXd sizes_;       ///< [classes]
  std::mt19937_64 generator_;
  int spectral_ = 0;
  ClassResamples result_;
};

}  // namespace

ClassResamples resample_classes(const Eigen::MatrixXd& h, std::span<const std::int64_t> sizes,
                                const BootstrapOptions& options) {
  return Resampler(h, sizes, options).run(options.resamples);
}

Interval centred_interval(double value, const std::vector<double>& resampled, const Resampled& of) {
  std::vector<double> logarithms;
  double sum = 0;
  for (const double one : resampled) {
    if (!(one > 0) || !std::isfinite(one)) continue;
    logarithms.push_back(std::log(one));
    sum += logarithms.back();
  }
  if (!(value > 0) || logarithms.empty()) return {value, value, value};
  const double shift = std::log(value) - sum / static_cast<double>(logarithms.size());
  for (double& one : logarithms) one += shift;
  const Bounds bounds = percentile_interval(std::move(logarithms), of);
  return {value, std::min(value, std::exp(bounds.low)), std::max(value, std::exp(bounds.high))};
}

}  // namespace treble::internal
