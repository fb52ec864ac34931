#include "layers/rotary_angles.h"

#include <algorithm>
#include <cmath>
#include <utility>

namespace treble::internal {

RotaryAngles::RotaryAngles(std::vector<double> frequencies, float scale, PositionPlan positions)
    : frequencies_(std::move(frequencies)),
      scale_(scale),
      positions_(positions),
      blocks_(static_cast<std::size_t>((positions.size() + kBlock - 1) / kBlock)) {}

std::span<const float> RotaryAngles::rows_from(std::int64_t position) const {
  const std::int64_t first = position - position % kBlock;
  Block& block = blocks_[static_cast<std::size_t>(position / kBlock)];
  std::call_once(block.once, [&] {
    const std::int64_t end = std::min(first + kBlock, positions_.size());
    std::vector<float> values;
    values.reserve(2 * frequencies_.size() * static_cast<std::size_t>(end - first));
    for (std::int64_t p = first; p < end; ++p) append_angles(frequencies_, scale_, positions_[p], values);
    block.values = std::move(values);
  });
  return std::span<const float>(block.values)
      .subspan(static_cast<std::size_t>(position - first) * 2 * frequencies_.size());
}

void append_angles(std::span<const double> frequencies, float scale, double position, std::vector<float>& values) {
  const auto angle_of = [position](double frequency) {
    // The angle is rounded to float32 first, as PyTorch does; at far positions that is what models were trained with.
    return double{static_cast<float>(position) * static_cast<float>(frequency)};
  };
  for (const double frequency : frequencies) {
    values.push_back(static_cast<float>(std::cos(angle_of(frequency))) * scale);
  }
  for (const double frequency : frequencies) {
    values.push_back(static_cast<float>(std::sin(angle_of(frequency))) * scale);
  }
}

}  // namespace treble::internal
