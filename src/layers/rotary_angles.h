// Cosines and sines of the angles by which rotary positions turn a head.
#pragma once

#include <cstdint>
#include <mutex>
#include <span>
#include <vector>

#include "layers/position_plan.h"

namespace treble::internal {

/// cos and sin of p · f_i, times `scale`, for the positions p of a plan and frequencies f_i.
///
/// Models that read a hundred thousand tokens mostly get texts of a few hundred, so positions are computed a block at a
/// time, when a text first reaches one, and kept. Any number of threads may ask at once: a block is computed once, and
/// who needs it meanwhile waits.
class RotaryAngles {
 public:
  static constexpr std::int64_t kBlock = 128;  ///< positions

  RotaryAngles() = default;
  RotaryAngles(std::vector<double> frequencies, float scale, PositionPlan positions);

  /// The rows of `position` and of those that follow it in its block: of each, the cosines of all frequencies, then the
  /// sines. 0 ≤ position < positions.size().
  std::span<const float> rows_from(std::int64_t position) const;

 private:
  struct Block {
    std::once_flag once;
    std::vector<float> values;
  };

  std::vector<double> frequencies_;
  float scale_ = 1;
  PositionPlan positions_;
  mutable std::vector<Block> blocks_;  ///< filled in one by one; never moved, as threads wait at them
};

/// Appends the row of one position.
void append_angles(std::span<const double> frequencies, float scale, double position, std::vector<float>& values);

}  // namespace treble::internal
