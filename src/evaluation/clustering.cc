#include "evaluation/clustering.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>

namespace treble::internal {

namespace {

constexpr int kMaxRounds = 300;

double squared_distance(std::span<const float> row, const double* centre) {
  double sum = 0;
  for (std::size_t i = 0; i < row.size(); ++i) sum += (row[i] - centre[i]) * (row[i] - centre[i]);
  return sum;
}

/// Centres [count, dim], transposed, so that the inner loop is over centres and the compiler has no sum to keep the
/// order of.
class TransposedCentres {
 public:
  TransposedCentres(std::span<const double> centres, std::size_t dim)
      : squares_(centres.size() / dim), columns_(centres.size()) {
    const std::size_t count = squares_.size();
    for (std::size_t c = 0; c < count; ++c) {
      for (std::size_t i = 0; i < dim; ++i) {
        columns_[i * count + c] = centres[c * dim + i];
        squares_[c] += centres[c * dim + i] * centres[c * dim + i];
      }
    }
  }

  /// Squared distances of a row to each centre, less the row's own square.
  void distances(std::span<const float> row, std::vector<double>& result) const {
    result = squares_;
    const double* column = columns_.data();
    for (const float value : row) {
      const double x = -2 * double{value};
      for (std::size_t c = 0; c < result.size(); ++c) result[c] += x * column[c];
      column += result.size();
    }
  }

 private:
  std::vector<double> squares_;
  std::vector<double> columns_;
};

/// The clusters, and how far each row is from its centre.
struct Assignment {
  std::vector<std::int64_t> clusters;
  std::vector<double> distances;  ///< squared, less the row's own square
};

Assignment assign(std::span<const float> rows, std::size_t dim, const std::vector<double>& centres) {
  const TransposedCentres transposed(centres, dim);
  Assignment result;
  std::vector<double> distances;
  for (std::size_t first = 0; first < rows.size(); first += dim) {
    transposed.distances(rows.subspan(first, dim), distances);
    const auto nearest = std::min_element(distances.begin(), distances.end());
    result.clusters.push_back(nearest - distances.begin());
    result.distances.push_back(*nearest);
  }
  return result;
}

/// Those of clusters without rows are taken from where rows are farthest.
void fill_empty(std::span<const float> rows, std::size_t dim, std::vector<double>& centres, Assignment& assignment) {
  std::vector<std::size_t> sizes(centres.size() / dim);
  for (const std::int64_t cluster : assignment.clusters) ++sizes[static_cast<std::size_t>(cluster)];
  for (std::size_t cluster = 0; cluster < sizes.size(); ++cluster) {
    if (sizes[cluster] > 0) continue;
    std::size_t farthest = rows.size() / dim;
    double distance = -std::numeric_limits<double>::infinity();
    for (std::size_t row = 0; row * dim < rows.size(); ++row) {
      const auto own = static_cast<std::size_t>(assignment.clusters[row]);
      if (sizes[own] < 2) continue;
      const double here = squared_distance(rows.subspan(row * dim, dim), centres.data() + own * dim);
      if (here <= distance) continue;
      distance = here;
      farthest = row;
    }
    --sizes[static_cast<std::size_t>(assignment.clusters[farthest])];
    ++sizes[cluster];
    assignment.clusters[farthest] = static_cast<std::int64_t>(cluster);
  }
}

std::vector<double> means_of(std::span<const float> rows, std::size_t dim, const std::vector<std::int64_t>& clusters,
                             std::size_t count) {
  std::vector<double> centres(count * dim);
  std::vector<double> sizes(count);
  for (std::size_t row = 0; row < clusters.size(); ++row) {
    const auto cluster = static_cast<std::size_t>(clusters[row]);
    ++sizes[cluster];
    for (std::size_t i = 0; i < dim; ++i) centres[cluster * dim + i] += rows[row * dim + i];
  }
  for (std::size_t i = 0; i < centres.size(); ++i) centres[i] /= sizes[i / dim];
  return centres;
}

/// A row drawn with a probability in proportion to its weight; the last one takes what rounding leaves.
std::size_t drawn_by(const std::vector<double>& weights, double sum, std::mt19937_64& generator) {
  double left = std::ldexp(static_cast<double>(generator() >> 11), -53) * sum;
  std::size_t row = 0;
  for (; row + 1 < weights.size() && left >= weights[row]; ++row) left -= weights[row];
  return row;
}

double entropy(const std::vector<double>& counts, double total) {
  double sum = 0;
  for (const double count : counts) {
    if (count > 0) sum -= count / total * std::log(count / total);
  }
  return sum;
}

}  // namespace

std::vector<double> spread_centres(std::span<const float> rows, std::size_t dim, std::size_t clusters,
                                   std::uint64_t seed) {
  std::mt19937_64 generator(seed);
  const std::size_t count = rows.size() / dim;
  std::vector<double> own_squares(count);
  for (std::size_t row = 0; row < count; ++row) {
    for (const float value : rows.subspan(row * dim, dim)) own_squares[row] += double{value} * double{value};
  }
  // As many candidates as scikit-learn draws.
  const std::size_t trials = 2 + static_cast<std::size_t>(std::log(static_cast<double>(clusters)));
  std::vector<double> nearest(count, std::numeric_limits<double>::infinity());
  std::vector<double> centres;
  std::vector<std::size_t> candidates = {generator() % count};
  std::vector<double> distances;
  while (true) {
    std::vector<double> candidate_rows;
    for (const std::size_t candidate : candidates) {
      const auto row = rows.subspan(candidate * dim, dim);
      candidate_rows.insert(candidate_rows.end(), row.begin(), row.end());
    }
    const TransposedCentres transposed(candidate_rows, dim);
    std::vector<double> with_each(candidates.size() * count);  // what nearest would be, candidate by candidate
    std::vector<double> sums(candidates.size());
    for (std::size_t row = 0; row < count; ++row) {
      transposed.distances(rows.subspan(row * dim, dim), distances);
      for (std::size_t c = 0; c < candidates.size(); ++c) {
        const double distance = std::min(nearest[row], std::max(0.0, distances[c] + own_squares[row]));
        with_each[c * count + row] = distance;
        sums[c] += distance;
      }
    }
    const auto best = static_cast<std::size_t>(std::min_element(sums.begin(), sums.end()) - sums.begin());
    const auto chosen = std::span(candidate_rows).subspan(best * dim, dim);
    centres.insert(centres.end(), chosen.begin(), chosen.end());
    if (centres.size() == clusters * dim) return centres;
    const auto remaining = std::span(with_each).subspan(best * count, count);
    nearest.assign(remaining.begin(), remaining.end());
    candidates.assign(trials, 0);
    for (std::size_t& candidate : candidates) candidate = drawn_by(nearest, sums[best], generator);
  }
}

std::vector<std::int64_t> k_means(std::span<const float> rows, std::size_t dim, std::vector<double> centres) {
  const std::size_t count = centres.size() / dim;
  std::vector<std::int64_t> before;
  for (int round = 0; round < kMaxRounds; ++round) {
    Assignment assignment = assign(rows, dim, centres);
    fill_empty(rows, dim, centres, assignment);
    if (assignment.clusters == before) break;
    before = std::move(assignment.clusters);
    centres = means_of(rows, dim, before, count);
  }
  return before;
}

double v_measure(std::span<const std::int64_t> labels, std::span<const std::int64_t> clusters) {
  if (labels.empty()) return 1;
  const auto label_count = static_cast<std::size_t>(*std::max_element(labels.begin(), labels.end())) + 1;
  const auto cluster_count = static_cast<std::size_t>(*std::max_element(clusters.begin(), clusters.end())) + 1;
  std::vector<double> by_label(label_count);
  std::vector<double> by_cluster(cluster_count);
  std::vector<double> by_both(label_count * cluster_count);
  for (std::size_t item = 0; item < labels.size(); ++item) {
    const auto label = static_cast<std::size_t>(labels[item]);
    const auto cluster = static_cast<std::size_t>(clusters[item]);
    ++by_label[label];
    ++by_cluster[cluster];
    ++by_both[label * cluster_count + cluster];
  }
  const auto total = static_cast<double>(labels.size());
  const double of_labels = entropy(by_label, total);
  const double of_clusters = entropy(by_cluster, total);
  const double shared = of_labels + of_clusters - entropy(by_both, total);
  const double homogeneity = of_labels > 0 ? shared / of_labels : 1;
  const double completeness = of_clusters > 0 ? shared / of_clusters : 1;
  if (homogeneity + completeness <= 0) return 0;
  return 2 * homogeneity * completeness / (homogeneity + completeness);
}

}  // namespace treble::internal
