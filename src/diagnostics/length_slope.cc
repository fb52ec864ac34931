#include "diagnostics/length_slope.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <optional>
#include <random>
#include <utility>
#include <vector>

#include "base/percentile_interval.h"
#include "diagnostics/unit_rows.h"

namespace treble::internal {

namespace {

/// How often each of `count` items occurs in a bootstrap resample of them.
std::vector<int> draw(std::int64_t count, std::mt19937_64& generator) {
  std::vector<int> weights(static_cast<std::size_t>(count));
  for (std::size_t i = 0; i < weights.size(); ++i) ++weights[generator() % weights.size()];
  return weights;
}

double product(const std::vector<double>& a, const std::vector<double>& b) {
  return std::inner_product(a.begin(), a.end(), b.begin(), 0.0);
}

/// Cosines of all queries to all documents on the documents' ln(tokens). All queries meet the same documents, so the
/// slope over all pairs is a product of two sums: (mean of unit queries) · Σ_d x_d d / Σ_d x_d², x being centred.
class Regression {
 public:
  Regression(ConstMatrixView queries, ConstMatrixView documents, std::span<const std::int64_t> tokens)
      : queries_(unit_rows(queries)), documents_(unit_rows(documents)), cols_(static_cast<std::size_t>(queries.cols)) {
    for (const std::int64_t count : tokens) {
      logs_.push_back(std::log(static_cast<double>(std::max<std::int64_t>(1, count))));
    }
  }

  /// The mean of the unit queries, query i being there weights[i] times.
  std::vector<double> mean_query(std::span<const int> weights) const {
    double count = 0;
    for (const int weight : weights) count += weight;
    std::vector<double> shares(weights.begin(), weights.end());
    for (double& share : shares) share /= count;
    return weighted_sum(queries_, shares);
  }

  /// Σ_d x_d d / Σ_d x_d², document i being there weights[i] times; nothing when these are of one length.
  std::optional<std::vector<double>> direction(std::span<const int> weights) const {
    double count = 0;
    double mean = 0;
    for (std::size_t d = 0; d < logs_.size(); ++d) {
      count += weights[d];
      mean += weights[d] * logs_[d];
    }
    mean /= count;
    double variance = 0;
    std::vector<double> offsets(logs_.size());
    for (std::size_t d = 0; d < logs_.size(); ++d) {
      offsets[d] = weights[d] * (logs_[d] - mean);
      variance += offsets[d] * (logs_[d] - mean);
    }
    if (variance <= 1e-12) return std::nullopt;
    for (double& offset : offsets) offset /= variance;
    return weighted_sum(documents_, offsets);
  }

 private:
  std::vector<double> weighted_sum(const std::vector<double>& rows, const std::vector<double>& weights) const {
    std::vector<double> sum(cols_);
    for (std::size_t row = 0; row < weights.size(); ++row) {
      if (weights[row] == 0) continue;
      for (std::size_t col = 0; col < cols_; ++col) sum[col] += weights[row] * rows[row * cols_ + col];
    }
    return sum;
  }

  std::vector<double> queries_;    ///< unit rows
  std::vector<double> documents_;  ///< unit rows
  std::size_t cols_;
  std::vector<double> logs_;
};

}  // namespace

SlopeEstimate length_slope(ConstMatrixView queries, ConstMatrixView documents, std::span<const std::int64_t> tokens,
                           const BootstrapOptions& options) {
  SlopeEstimate estimate;
  estimate.documents = documents.rows;
  if (queries.rows == 0 || documents.rows < 2) return estimate;
  const Regression regression(queries, documents, tokens);
  const auto query = regression.mean_query(std::vector<int>(static_cast<std::size_t>(queries.rows), 1));
  const auto direction = regression.direction(std::vector<int>(static_cast<std::size_t>(documents.rows), 1));
  if (!direction) return estimate;
  const double slope = product(query, *direction);
  estimate.queries = queries.rows;
  estimate.slope = estimate.low = estimate.high = slope;

  std::mt19937_64 generator(options.seed);
  std::vector<double> slopes;
  std::vector<double> by_queries;    // documents as they are
  std::vector<double> by_documents;  // queries as they are
  for (int resample = 0; resample < options.resamples; ++resample) {
    const auto drawn_query = regression.mean_query(draw(queries.rows, generator));
    const auto drawn_direction = regression.direction(draw(documents.rows, generator));
    // A resample of documents of one length has no slope.
    if (!drawn_direction) continue;
    slopes.push_back(product(drawn_query, *drawn_direction));
    by_queries.push_back(product(drawn_query, *direction));
    by_documents.push_back(product(query, *drawn_direction));
  }
  if (slopes.empty()) return estimate;
  // What is of a query and a document together counts once in truth, once in each resampling of one side, and three
  // times in that of both (Owen, 2007).
  const double both = spread_about(slopes, slope);
  const double either = spread_about(by_queries, slope) + spread_about(by_documents, slope);
  correct_spread(slopes, slope, 2 * either - both);
  // One query has no spread to learn from; the interval is then about the documents alone.
  const std::int64_t fewer = queries.rows > 1 ? std::min(queries.rows, documents.rows) : documents.rows;
  const Bounds bounds = percentile_interval(std::move(slopes), {.units = fewer});
  estimate.low = std::min(bounds.low, slope);
  estimate.high = std::max(bounds.high, slope);
  return estimate;
}

}  // namespace treble::internal
