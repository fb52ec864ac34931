#include "diagnostics/state_positions.h"

#include <algorithm>
#include <cmath>

#include "kernels/selective_scan.h"

namespace treble::internal {

static_assert(kStateStep == kScanChunk);

std::vector<std::int64_t> state_positions(std::int64_t longest, std::int64_t max_count) {
  const std::int64_t steps = longest / kStateStep;
  std::vector<std::int64_t> positions;
  const std::int64_t even = steps <= max_count ? steps : max_count / 2;
  for (std::int64_t step = 1; step <= even; ++step) positions.push_back(step * kStateStep);
  const std::int64_t spread = max_count - even;
  if (even == steps) return positions;
  for (std::int64_t i = 1; i <= spread; ++i) {
    const double share = static_cast<double>(i) / static_cast<double>(spread);
    const double step =
        static_cast<double>(even) * std::pow(static_cast<double>(steps) / static_cast<double>(even), share);
    positions.push_back(std::min<std::int64_t>(steps, std::llround(step)) * kStateStep);
  }
  positions.erase(std::unique(positions.begin(), positions.end()), positions.end());
  return positions;
}

std::vector<std::size_t> thinned_positions(const std::vector<std::int64_t>& positions, std::int64_t max_count,
                                           std::int64_t kept) {
  std::vector<std::size_t> indices;
  if (positions.empty()) return indices;
  for (const std::int64_t wanted : state_positions(positions.back(), max_count)) {
    const auto found = std::lower_bound(positions.begin(), positions.end(), wanted);
    indices.push_back(static_cast<std::size_t>(found - positions.begin()));
  }
  const auto after = std::upper_bound(positions.begin(), positions.end(), kept);
  if (after != positions.begin()) indices.push_back(static_cast<std::size_t>(after - positions.begin()) - 1);
  std::sort(indices.begin(), indices.end());
  indices.erase(std::unique(indices.begin(), indices.end()), indices.end());
  return indices;
}

}  // namespace treble::internal
