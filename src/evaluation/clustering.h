// k-means, and how well clusters agree with labels.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace treble::internal {

/// The cluster of each of `rows` [count, dim]: Lloyd's iterations from `centres` [clusters, dim] until nothing moves,
/// at most 300. A cluster that is left without rows takes the row that is farthest from its own centre. `rows` has at
/// least as many rows as there are clusters.
std::vector<std::int64_t> k_means(std::span<const float> rows, std::size_t dim, std::vector<double> centres);

/// Centres to begin with: rows chosen by greedy k-means++ (Arthur & Vassilvitskii, 2007), of 2 + ln(clusters)
/// candidates each time the one that leaves the smallest sum of squared distances, as in scikit-learn.
std::vector<double> spread_centres(std::span<const float> rows, std::size_t dim, std::size_t clusters,
                                   std::uint64_t seed);

/// Harmonic mean of homogeneity and completeness (Rosenberg & Hirschberg, 2007; sklearn.metrics.v_measure_score), 0
/// to 1. Both lists hold numbers from 0 on.
double v_measure(std::span<const std::int64_t> labels, std::span<const std::int64_t> clusters);

}  // namespace treble::internal
