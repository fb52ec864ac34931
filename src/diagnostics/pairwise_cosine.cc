#include "diagnostics/pairwise_cosine.h"

#include <algorithm>
#include <cmath>
#include <random>
#include <vector>

namespace treble {

namespace {

/// Unit rows in double; a zero row stays zero.
std::vector<double> unit_rows(ConstMatrixView vectors) {
  std::vector<double> unit(static_cast<std::size_t>(vectors.rows * vectors.cols));
  double* target = unit.data();
  for (std::int64_t row = 0; row < vectors.rows; ++row) {
    const auto values = vectors.row_span(row);
    double square = 0;
    for (const float value : values) square += double{value} * double{value};
    const double scale = square > 0 ? 1 / std::sqrt(square) : 0;
    for (const float value : values) *target++ = value * scale;
  }
  return unit;
}

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

 private:
  const double* row_data(std::int64_t row) const { return unit_.data() + row * cols_; }

  std::vector<double> unit_;
  std::vector<double> self_;
  std::int64_t rows_;
  std::int64_t cols_;
};

double percentile(const std::vector<double>& sorted, double fraction) {
  const double place = fraction * static_cast<double>(sorted.size() - 1);
  const auto below = static_cast<std::size_t>(place);
  const std::size_t above = std::min(below + 1, sorted.size() - 1);
  return sorted[below] + (place - static_cast<double>(below)) * (sorted[above] - sorted[below]);
}

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

PercentileInterval bootstrap_mean(std::span<const double> values, const BootstrapOptions& options) {
  PercentileInterval interval;
  if (values.empty()) return interval;
  const auto count = static_cast<double>(values.size());
  for (const double value : values) interval.mean += value / count;
  interval.low = interval.high = interval.mean;
  std::mt19937_64 generator(options.seed);
  std::vector<double> means;
  for (int resample = 0; resample < options.resamples; ++resample) {
    double mean = 0;
    for (std::size_t draw = 0; draw < values.size(); ++draw) mean += values[generator() % values.size()] / count;
    means.push_back(mean);
  }
  if (means.empty()) return interval;
  std::sort(means.begin(), means.end());
  interval.low = percentile(means, 0.025);
  interval.high = percentile(means, 0.975);
  return interval;
}

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
  std::sort(means.begin(), means.end());
  estimate.low = percentile(means, 0.025);
  estimate.high = percentile(means, 0.975);
  return estimate;
}

}  // namespace treble
