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

/// The clusters, and how far each row is from its centre.
struct Assignment {
  std::vector<std::int64_t> clusters;
  std::vector<double> distances;  ///< squared, less the row's own square
};

Assignment assign(std::span<const float> rows, std::size_t dim, const std::vector<double>& centres) {
  const std::size_t count = centres.size() / dim;
  // Transposed, so that the inner loop is over clusters and the compiler has no sum to keep the order of.
  std::vector<double> columns(centres.size());
  std::vector<double> squares(count);
  for (std::size_t c = 0; c < count; ++c) {
    for (std::size_t i = 0; i < dim; ++i) {
      columns[i * count + c] = centres[c * dim + i];
      squares[c] += centres[c * dim + i] * centres[c * dim + i];
    }
  }
  Assignment result;
  std::vector<double> distances(count);
  for (std::size_t first = 0; first < rows.size(); first += dim) {
    distances = squares;
    for (std::size_t i = 0; i < dim; ++i) {
      const double x = -2 * double{rows[first + i]};
      const double* column = columns.data() + i * count;
      for (std::size_t c = 0; c < count; ++c) distances[c] += x * column[c];
    }
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
  std::vector<double> nearest(count, std::numeric_limits<double>::infinity());
  std::vector<double> centres;
  std::size_t chosen = generator() % count;
  while (true) {
    const auto row = rows.subspan(chosen * dim, dim);
    centres.insert(centres.end(), row.begin(), row.end());
    if (centres.size() == clusters * dim) return centres;
    double sum = 0;
    for (std::size_t other = 0; other < count; ++other) {
      const double* centre = centres.data() + centres.size() - dim;
      nearest[other] = std::min(nearest[other], squared_distance(rows.subspan(other * dim, dim), centre));
      sum += nearest[other];
    }
    // By the square of the distance; the last row takes what rounding leaves.
    double left = std::ldexp(static_cast<double>(generator() >> 11), -53) * sum;
    for (chosen = 0; chosen + 1 < count && left >= nearest[chosen]; ++chosen) left -= nearest[chosen];
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
