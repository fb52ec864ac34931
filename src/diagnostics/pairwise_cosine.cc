#include "diagnostics/pairwise_cosine.h"

#include <Eigen/Core>
#include <algorithm>
#include <cmath>
#include <random>
#include <vector>

#include "base/percentile_interval.h"
#include "diagnostics/unit_rows.h"

namespace treble::internal {

namespace {

/// Rows that an unbiased variance over pairs takes.
constexpr std::size_t kMinForVariance = 4;

class Group {
 public:
  explicit Group(ConstMatrixView vectors) : unit_(unit_rows(vectors)), rows_(vectors.rows), cols_(vectors.cols) {
    self_.resize(static_cast<std::size_t>(rows_));
    for (std::int64_t row = 0; row < rows_; ++row) {
      double& self = self_[static_cast<std::size_t>(row)];
      for (std::int64_t col = 0; col < cols_; ++col) self += row_data(row)[col] * row_data(row)[col];
    }
  }

  /// Mean over pairs of different rows, row i being there weights[i] times; NaN when there is no such pair.
  double mean(std::span<const int> weights) const {
    std::vector<double> sum(static_cast<std::size_t>(cols_));
    double self = 0;
    double total = 0;
    double same = 0;
    for (std::int64_t row = 0; row < rows_; ++row) {
      const double weight = weights[static_cast<std::size_t>(row)];
      if (weight == 0) continue;
      for (std::int64_t col = 0; col < cols_; ++col) sum[static_cast<std::size_t>(col)] += weight * row_data(row)[col];
      self += weight * weight * self_[static_cast<std::size_t>(row)];
      total += weight;
      same += weight * weight;
    }
    double square = 0;
    for (const double value : sum) square += value * value;
    return (square - self) / (total * total - same);
  }

  /// The unbiased estimate of the variance of the mean over pairs, a U-statistic of degree 2: by the products of
  /// cosines that share two rows, one, none (Lee, U-Statistics, 1990, chapter 5). Needs four rows.
  double variance() const {
    using Rows = Eigen::Map<const Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>>;
    const Rows u(unit_.data(), rows_, cols_);
    const Eigen::Map<const Eigen::VectorXd> self(self_.data(), rows_);
    const Eigen::VectorXd row_sums = u * u.colwise().sum().transpose() - self;
    const Eigen::MatrixXd gram = rows_ < cols_ ? Eigen::MatrixXd(u * u.transpose()) : u.transpose() * u;
    const auto n = static_cast<double>(rows_);
    const double pairs = n * (n - 1);
    const double total = row_sums.sum();
    const double two = gram.squaredNorm() - self.squaredNorm();
    const double one = row_sums.squaredNorm() - two;
    const double none = (total * total - 4 * one - 2 * two) / (pairs * (n - 2) * (n - 3));
    const double shared_one = one / (pairs * (n - 2)) - none;
    const double shared_two = two / pairs - none;
    return (4 * (n - 2) * shared_one + 2 * shared_two) / pairs;
  }

 private:
  const double* row_data(std::int64_t row) const { return unit_.data() + row * cols_; }

  std::vector<double> unit_;
  std::vector<double> self_;
  std::int64_t rows_;
  std::int64_t cols_;
};

/// The sum of a group's unit rows, and of their squared lengths.
struct GroupSum {
  std::vector<double> sum;
  double self = 0;
  double rows = 0;
};

GroupSum sum_of(ConstMatrixView group) {
  GroupSum result;
  result.sum.resize(static_cast<std::size_t>(group.cols));
  const auto unit = unit_rows(group);
  for (std::size_t i = 0; i < unit.size(); ++i) {
    result.sum[i % result.sum.size()] += unit[i];
    result.self += unit[i] * unit[i];
  }
  result.rows = static_cast<double>(group.rows);
  return result;
}

}  // namespace

std::vector<std::vector<std::optional<double>>> group_cosines(ConstMatrixView vectors,
                                                              std::span<const std::int64_t> ends) {
  std::vector<GroupSum> groups;
  std::int64_t begin = 0;
  for (const std::int64_t end : ends) {
    groups.push_back(sum_of(vectors.row_range(begin, end)));
    begin = end;
  }
  std::vector<std::vector<std::optional<double>>> result(groups.size());
  for (std::size_t a = 0; a < groups.size(); ++a) {
    for (std::size_t b = 0; b < groups.size(); ++b) {
      const double pairs = groups[a].rows * (a == b ? groups[a].rows - 1 : groups[b].rows);
      double product = a == b ? -groups[a].self : 0;
      for (std::size_t col = 0; col < groups[a].sum.size(); ++col) product += groups[a].sum[col] * groups[b].sum[col];
      result[a].push_back(pairs > 0 ? std::optional(product / pairs) : std::nullopt);
    }
  }
  return result;
}

CosineEstimate mean_pairwise_cosine(ConstMatrixView vectors, const BootstrapOptions& options) {
  CosineEstimate estimate;
  estimate.texts = vectors.rows;
  estimate.pairs = vectors.rows * (vectors.rows - 1) / 2;
  if (vectors.rows < 2) {
    estimate.pairs = 0;
    return estimate;
  }
  const Group group(vectors);
  const auto rows = static_cast<std::size_t>(vectors.rows);
  estimate.mean = estimate.low = estimate.high = group.mean(std::vector<int>(rows, 1));

  std::mt19937_64 generator(options.seed);
  std::vector<double> means;
  std::vector<int> weights(rows);
  for (int resample = 0; resample < options.resamples; ++resample) {
    std::fill(weights.begin(), weights.end(), 0);
    for (std::size_t draw = 0; draw < rows; ++draw) ++weights[generator() % rows];
    const double mean = group.mean(weights);
    // A resample that drew one row only has no pair to measure.
    if (std::isfinite(mean)) means.push_back(mean);
  }
  if (means.empty()) return estimate;
  // Where pairs have little in common with the other pairs of their rows (a mean cosine near 0), resampling rows
  // triples the variance (Arcones & Giné, The Annals of Statistics 20, 1992).
  if (rows >= kMinForVariance) correct_spread(means, estimate.mean, group.variance());
  const Bounds bounds = percentile_interval(std::move(means), {.units = vectors.rows});
  // A mean that is the same in every resample may differ from them in the last digit.
  estimate.low = std::min(bounds.low, estimate.mean);
  estimate.high = std::max(bounds.high, estimate.mean);
  return estimate;
}

}  // namespace treble::internal
