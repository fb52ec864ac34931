#include "layers/position_bias.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>

#include "base/fail.h"

namespace treble {

std::int64_t relative_bucket(std::int64_t distance, const RelativeBuckets& buckets) {
  const std::int64_t half = buckets.num_buckets / 2;
  const std::int64_t base = distance > 0 ? half : 0;
  const std::int64_t magnitude = std::abs(distance);
  const std::int64_t exact = half / 2;
  if (magnitude < exact) return base + magnitude;
  // In float32 step by step, as PyTorch computes it: at the edges of buckets the rounding decides.
  const float ratio = static_cast<float>(magnitude) / static_cast<float>(exact);
  const auto span = static_cast<float>(
      std::log(static_cast<double>(buckets.max_distance) / static_cast<double>(exact)));
  const float steps = std::log(ratio) / span * static_cast<float>(half - exact);
  return base + std::min(exact + static_cast<std::int64_t>(steps), half - 1);
}

PositionBias::PositionBias(ConstMatrixView table, const RelativeBuckets& buckets, std::int64_t reach)
    : num_heads_(table.cols), reach_(reach) {
  if (table.rows != buckets.num_buckets) {
    fail(ErrorCode::internal, "position bias: {} rows for {} buckets", table.rows, buckets.num_buckets);
  }
  const std::int64_t columns = 2 * reach - 1;
  values_.ensure(static_cast<std::size_t>(num_heads_ * columns));
  for (std::int64_t column = 0; column < columns; ++column) {
    const std::int64_t bucket = relative_bucket(column - (reach - 1), buckets);
    for (std::int64_t head = 0; head < num_heads_; ++head) {
      values_.data()[head * columns + column] = table.row(bucket)[head];
    }
  }
}

PositionBiasView PositionBias::view() const {
  if (reach_ == 0) return {};
  return {ConstMatrixView(values_.data(), num_heads_, 2 * reach_ - 1), reach_};
}

}  // namespace treble
