#include "diagnostics/neighbors.h"

#include <Eigen/Core>
#include <algorithm>
#include <cmath>

#include "diagnostics/unit_rows.h"

namespace treble::internal {

namespace {

using FloatMatrix = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

FloatMatrix rounded_unit_rows(ConstMatrixView vectors) {
  const auto unit = unit_rows(vectors);
  FloatMatrix rounded(vectors.rows, vectors.cols);
  std::transform(unit.begin(), unit.end(), rounded.data(), [](double value) { return static_cast<float>(value); });
  return rounded;
}

bool nearer(const Neighbor& a, const Neighbor& b) {
  return a.cosine != b.cosine ? a.cosine > b.cosine : a.index < b.index;
}

}  // namespace

std::vector<std::vector<Neighbor>> nearest_neighbors(ConstMatrixView vectors, std::int64_t k) {
  constexpr std::int64_t kBlock = 256;
  const FloatMatrix unit = rounded_unit_rows(vectors);
  std::vector<std::vector<Neighbor>> result;
  std::vector<Neighbor> candidates;
  const std::int64_t kept = std::min(k, std::max<std::int64_t>(0, vectors.rows - 1));
  for (std::int64_t first = 0; first < vectors.rows; first += kBlock) {
    const std::int64_t rows = std::min(kBlock, vectors.rows - first);
    const FloatMatrix cosines = unit.middleRows(first, rows) * unit.transpose();
    for (std::int64_t i = 0; i < rows; ++i) {
      candidates.clear();
      for (std::int64_t j = 0; j < vectors.rows; ++j) {
        if (first + i != j) candidates.push_back({j, double{cosines(i, j)}});
      }
      std::partial_sort(candidates.begin(), candidates.begin() + kept, candidates.end(), nearer);
      result.emplace_back(candidates.begin(), candidates.begin() + kept);
    }
  }
  return result;
}

std::vector<std::int64_t> k_occurrences(const std::vector<std::vector<Neighbor>>& neighbors) {
  std::vector<std::int64_t> counts(neighbors.size());
  for (const auto& list : neighbors) {
    for (const Neighbor& neighbor : list) ++counts[static_cast<std::size_t>(neighbor.index)];
  }
  return counts;
}

HubnessEstimate describe_hubness(std::span<const std::int64_t> occurrences) {
  HubnessEstimate estimate;
  estimate.texts = static_cast<std::int64_t>(occurrences.size());
  if (occurrences.empty()) return estimate;
  const auto count = static_cast<double>(occurrences.size());
  for (const std::int64_t n : occurrences) {
    estimate.mean += static_cast<double>(n) / count;
    estimate.antihub_share += n == 0 ? 1 / count : 0;
  }
  double second = 0;
  double third = 0;
  for (const std::int64_t n : occurrences) {
    const double offset = static_cast<double>(n) - estimate.mean;
    second += offset * offset / count;
    third += offset * offset * offset / count;
  }
  estimate.skewness = second > 0 ? third / std::pow(second, 1.5) : 0;
  return estimate;
}

}  // namespace treble::internal
