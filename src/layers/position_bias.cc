#include "layers/position_bias.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <utility>

#include "base/fail.h"

namespace treble::internal {

std::int64_t relative_bucket(std::int64_t distance, const RelativeBuckets& buckets) {
  const std::int64_t half = buckets.num_buckets / 2;
  const std::int64_t base = distance > 0 ? half : 0;
  const std::int64_t magnitude = std::abs(distance);
  const std::int64_t exact = half / 2;
  if (magnitude < exact) return base + magnitude;
  // In float32 step by step, as PyTorch computes it: at the edges of buckets the rounding decides.
  const float ratio = static_cast<float>(magnitude) / static_cast<float>(exact);
  const auto span =
      static_cast<float>(std::log(static_cast<double>(buckets.max_distance) / static_cast<double>(exact)));
  const float steps = std::log(ratio) / span * static_cast<float>(half - exact);
  return base + std::min(exact + static_cast<std::int64_t>(steps), half - 1);
}

PositionBias::PositionBias(std::int64_t num_heads, std::int64_t max_length)
    : num_heads_(num_heads), max_length_(max_length) {
  values_.ensure(static_cast<std::size_t>(num_heads * (2 * max_length - 1)));
}

float& PositionBias::at(std::int64_t head, std::int64_t distance) {
  return values_.data()[head * (2 * max_length_ - 1) + distance + max_length_ - 1];
}

PositionBiasView PositionBias::view() const {
  if (max_length_ == 0) return {};
  return {ConstMatrixView(values_.data(), num_heads_, 2 * max_length_ - 1), max_length_};
}

PositionBias bucketed_bias(ConstMatrixView table, const RelativeBuckets& buckets, std::int64_t max_length) {
  if (table.rows != buckets.rows()) {
    fail(ErrorCode::internal, "position bias: {} rows for {} buckets", table.rows, buckets.num_buckets);
  }
  PositionBias bias(table.cols, max_length);
  for (std::int64_t distance = 1 - max_length; distance < max_length; ++distance) {
    const std::int64_t bucket = relative_bucket(distance, buckets);
    for (std::int64_t head = 0; head < table.cols; ++head) bias.at(head, distance) = table.row(bucket)[head];
  }
  return bias;
}

std::vector<double> alibi_slopes(std::int64_t num_heads) {
  std::int64_t power = 1;
  while (2 * power <= num_heads) power *= 2;
  std::vector<double> slopes;
  for (std::int64_t i = 1; i <= power; ++i) {
    slopes.push_back(std::exp2(-8.0 * static_cast<double>(i) / static_cast<double>(power)));
  }
  for (std::int64_t i = 1; std::cmp_less(slopes.size(), num_heads); i += 2) {
    slopes.push_back(std::exp2(-8.0 * static_cast<double>(i) / static_cast<double>(2 * power)));
  }
  return slopes;
}

PositionBias alibi_bias(std::int64_t num_heads, std::int64_t max_length) {
  const auto slopes = alibi_slopes(num_heads);
  PositionBias bias(num_heads, max_length);
  for (std::int64_t head = 0; head < num_heads; ++head) {
    const double slope = slopes[static_cast<std::size_t>(head)];
    for (std::int64_t distance = 1 - max_length; distance < max_length; ++distance) {
      bias.at(head, distance) = static_cast<float>(-slope * static_cast<double>(std::abs(distance)));
    }
  }
  return bias;
}

}  // namespace treble::internal
