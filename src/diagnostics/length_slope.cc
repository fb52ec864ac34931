#include "diagnostics/length_slope.h"

#include <algorithm>
#include <cmath>
#include <random>
#include <vector>

namespace treble {

namespace {

double norm(std::span<const float> values) {
  double square = 0;
  for (const float value : values) square += double{value} * double{value};
  return std::sqrt(square);
}

}  // namespace

SlopeEstimate length_slope(ConstMatrixView queries, ConstMatrixView documents, std::span<const std::int64_t> tokens,
                           const BootstrapOptions& options) {
  SlopeEstimate estimate;
  estimate.documents = documents.rows;
  if (queries.rows == 0 || documents.rows < 2) return estimate;
  std::vector<double> offsets;
  for (const std::int64_t count : tokens)
    offsets.push_back(std::log(static_cast<double>(std::max<std::int64_t>(1, count))));
  double mean = 0;
  for (const double value : offsets) mean += value / static_cast<double>(offsets.size());
  double variance = 0;
  for (double& value : offsets) {
    value -= mean;
    variance += value * value;
  }
  if (variance <= 1e-12) return estimate;

  // All queries meet the same documents, so the slope over all pairs is the mean of the queries' slopes; and a query's
  // slope is its product with Σ_d x_d d / Σ x², a single vector.
  std::vector<double> direction(static_cast<std::size_t>(documents.cols));
  for (std::int64_t row = 0; row < documents.rows; ++row) {
    const double length = norm(documents.row_span(row));
    if (length == 0) continue;
    const double weight = offsets[static_cast<std::size_t>(row)] / (length * variance);
    for (std::int64_t col = 0; col < documents.cols; ++col) {
      direction[static_cast<std::size_t>(col)] += weight * double{documents.row(row)[col]};
    }
  }
  std::vector<double> slopes;
  for (std::int64_t row = 0; row < queries.rows; ++row) {
    const double length = norm(queries.row_span(row));
    double slope = 0;
    for (std::int64_t col = 0; col < queries.cols && length > 0; ++col) {
      slope += double{queries.row(row)[col]} / length * direction[static_cast<std::size_t>(col)];
    }
    slopes.push_back(slope);
  }
  estimate.queries = queries.rows;
  const PercentileInterval interval = bootstrap_mean(slopes, options);
  estimate.slope = interval.mean;
  estimate.low = interval.low;
  estimate.high = interval.high;
  return estimate;
}

}  // namespace treble
