#include "pooling/normalize.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>

namespace treble::internal {

void l2_normalize(std::span<float> x) {
  // Eight sums side by side: a single one could not be vectorised without changing the order of additions.
  constexpr std::size_t kLanes = 8;
  std::array<double, kLanes> sums{};
  std::size_t i = 0;
  for (; i + kLanes <= x.size(); i += kLanes) {
    for (std::size_t lane = 0; lane < kLanes; ++lane) {
      const auto value = static_cast<double>(x[i + lane]);
      sums[lane] += value * value;
    }
  }
  double total = 0;
  for (; i < x.size(); ++i) total += static_cast<double>(x[i]) * static_cast<double>(x[i]);
  for (const double sum : sums) total += sum;
  // A NaN is not less than the floor, so max() hands it on.
  const double divisor = std::max(std::sqrt(total), 1e-12);
  for (float& value : x) value = static_cast<float>(static_cast<double>(value) / divisor);
}

}  // namespace treble::internal
