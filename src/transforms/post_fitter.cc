// Fitting from streamed moments.
#include <algorithm>
#include <cmath>

#include "base/fail.h"
#include "linear_algebra/decompositions.h"
#include "transforms/post_impl.h"
#include "treble/version.h"

namespace treble {

using namespace internal;

namespace {

/// Variance below that share of the maximum is rounding error; whitening would amplify it.
constexpr double kMinVarianceShare = 1e-9;

/// The sign that makes the entry of largest magnitude positive, so that a fit does not depend on the eigensolver.
double orientation(const Eigen::VectorXd& axis) {
  Eigen::Index largest = 0;
  axis.cwiseAbs().maxCoeff(&largest);
  return axis(largest) < 0 ? -1 : 1;
}

}  // namespace

struct PostFitter::Impl {
  explicit Impl(std::int64_t dim)
      : sum(Eigen::VectorXd::Zero(dim)),
        products(Eigen::MatrixXd::Zero(dim, dim)),
        with_length(Eigen::VectorXd::Zero(dim)) {}

  Eigen::VectorXd mean() const { return sum / static_cast<double>(texts); }

  Eigen::MatrixXd covariance() const {
    const Eigen::MatrixXd full = products.selfadjointView<Eigen::Lower>();
    return full / static_cast<double>(texts) - mean() * mean().transpose();
  }

  std::int64_t texts = 0;
  Eigen::VectorXd sum;
  Eigen::MatrixXd products;     ///< lower half of Σ x xᵀ
  Eigen::VectorXd with_length;  ///< Σ x ln(tokens)
  double lengths = 0;           ///< Σ ln(tokens)
  double squared_lengths = 0;
};

namespace {

struct Axes {
  Eigen::VectorXd variances;  ///< falling
  Eigen::MatrixXd axes;       ///< a column each
  std::int64_t rank = 0;
};

Axes principal_axes(const Eigen::MatrixXd& covariance, const std::string& name, std::int64_t texts) {
  const SymmetricEigen eigen = symmetric_eigen(covariance);
  Axes result{eigen.values.reverse(), eigen.vectors.rowwise().reverse()};
  const double max_variance = result.variances(0);
  if (!(max_variance > 0)) {
    fail(ErrorCode::invalid_argument, "{} needs texts whose vectors differ; all {} are the same", name, texts);
  }
  while (result.rank < result.variances.size() && result.variances(result.rank) > kMinVarianceShare * max_variance) {
    ++result.rank;
  }
  return result;
}

void append_row(const Eigen::VectorXd& row, std::vector<float>& matrix) {
  for (const double value : row) matrix.push_back(static_cast<float>(value));
}

std::int64_t checked_components(std::int64_t components, const Axes& axes, const std::string& name) {
  if (components <= axes.rank) return components;
  fail(ErrorCode::invalid_argument,
       "{}: the texts' vectors vary along {} axes; ask for at most as many, or give more texts", name, axes.rank);
}

}  // namespace

PostFitter::PostFitter(std::int64_t dim) : impl_(std::make_unique<Impl>(dim)) {}
PostFitter::PostFitter(PostFitter&&) noexcept = default;
PostFitter& PostFitter::operator=(PostFitter&&) noexcept = default;
PostFitter::~PostFitter() = default;

std::int64_t PostFitter::texts() const noexcept { return impl_->texts; }

void PostFitter::add(std::span<const float> vectors, std::span<const std::int64_t> tokens) {
  const Eigen::Index dim = impl_->sum.size();
  const auto count = static_cast<Eigen::Index>(tokens.size());
  if (vectors.size() != static_cast<std::size_t>(dim * count)) {
    fail(ErrorCode::invalid_argument, "fit: {} numbers for {} texts of {} dimensions", vectors.size(), count, dim);
  }
  if (count == 0) return;
  const Eigen::Map<const Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>> view(vectors.data(),
                                                                                                     count, dim);
  const Eigen::MatrixXd x = view.cast<double>();
  Eigen::VectorXd lengths(count);
  for (Eigen::Index i = 0; i < count; ++i) {
    lengths(i) = std::log(static_cast<double>(std::max<std::int64_t>(1, tokens[static_cast<std::size_t>(i)])));
  }
  impl_->texts += count;
  impl_->sum += x.colwise().sum().transpose();
  impl_->products.selfadjointView<Eigen::Lower>().rankUpdate(x.transpose());
  impl_->with_length += x.transpose() * lengths;
  impl_->lengths += lengths.sum();
  impl_->squared_lengths += lengths.squaredNorm();
}

PostTransform PostFitter::fit(const PostSpec& spec, PostProvenance provenance) const {
  const Impl& moments = *impl_;
  const std::string name = spec.to_string();
  if (moments.texts < 2) {
    fail(ErrorCode::invalid_argument, "{} is fitted on at least 2 texts, better thousands; there are {}", name,
         moments.texts);
  }
  auto result = std::make_unique<PostTransform::Impl>();
  result->spec = spec;
  result->provenance = std::move(provenance);
  result->provenance.texts = moments.texts;
  result->provenance.treble_version = version();
  append_row(moments.mean(), result->mean);
  switch (spec.kind) {
    case PostKind::centring: break;
    case PostKind::whitening: {
      const Axes axes = principal_axes(moments.covariance(), name, moments.texts);
      result->rows = spec.components == 0 ? axes.rank : checked_components(spec.components, axes, name);
      for (std::int64_t k = 0; k < result->rows; ++k) {
        const Eigen::VectorXd axis = axes.axes.col(k);
        append_row(axis * (orientation(axis) / std::sqrt(axes.variances(k))), result->matrix);
      }
      break;
    }
    case PostKind::all_but_the_top: {
      const Axes axes = principal_axes(moments.covariance(), name, moments.texts);
      const std::int64_t advised = std::max<std::int64_t>(1, (moments.sum.size() + 50) / 100);
      result->rows =
          spec.components == 0 ? std::min(advised, axes.rank) : checked_components(spec.components, axes, name);
      for (std::int64_t k = 0; k < result->rows; ++k) {
        const Eigen::VectorXd axis = axes.axes.col(k);
        append_row(axis * orientation(axis), result->matrix);
      }
      break;
    }
    case PostKind::length_direction: {
      const auto count = static_cast<double>(moments.texts);
      const double mean_length = moments.lengths / count;
      const double variance = moments.squared_lengths / count - mean_length * mean_length;
      if (!(variance > 1e-12)) {
        fail(ErrorCode::invalid_argument, "{} needs texts of different lengths; all {} have the same number of tokens",
             name, moments.texts);
      }
      const Eigen::VectorXd slope = (moments.with_length / count - moments.mean() * mean_length) / variance;
      // Without the mean: what is projected out is the direction itself, wherever a vector lies.
      std::fill(result->mean.begin(), result->mean.end(), 0.0F);
      result->rows = slope.norm() > 1e-12 ? 1 : 0;
      if (result->rows == 1) append_row(slope.normalized(), result->matrix);
      break;
    }
  }
  return PostTransform(std::move(result));
}

}  // namespace treble
