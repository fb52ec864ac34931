#include "layers/rotary.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "base/fail.h"
#include "kernels/row_ops.h"

namespace treble::internal {

namespace {
constexpr std::int64_t kRowsPerThread = 64;
}  // namespace

RotaryTable::RotaryTable(const RotaryConfig& rotary, std::int64_t dim, PositionPlan positions)
    : rotary_(rotary), positions_(std::move(positions)), half_(dim / 2) {
  // Up to the original positions a length does not matter.
  angles_ = angles_of(1);
  if (rotary.scaling == RotaryScaling::longrope && is_long(num_positions())) long_angles_ = angles_of(num_positions());
}

bool RotaryTable::is_long(std::int64_t length) const noexcept {
  return rotary_.depends_on_length() && static_cast<double>(length) > rotary_.original_positions;
}

void RotaryTable::append_angles(const std::vector<double>& frequencies, double position, Angles& angles) const {
  const auto scale = static_cast<float>(rotary_.attention_factor);
  for (const double frequency : frequencies) {
    // The angle is rounded to float32 first, as PyTorch does; at far positions that is what models were trained with.
    const float angle = static_cast<float>(position) * static_cast<float>(frequency);
    angles.cos.push_back(static_cast<float>(std::cos(double{angle})) * scale);
    angles.sin.push_back(static_cast<float>(std::sin(double{angle})) * scale);
  }
}

/// Of all positions, for texts of `length` tokens.
RotaryTable::Angles RotaryTable::angles_of(std::int64_t length) const {
  const auto frequencies = rotary_frequencies(rotary_, 2 * half_, length);
  Angles angles;
  angles.cos.reserve(frequencies.size() * positions_.size());
  angles.sin.reserve(frequencies.size() * positions_.size());
  for (const double position : positions_) append_angles(frequencies, position, angles);
  return angles;
}

/// Row r of `heads` is at position first_position + r.
void RotaryTable::rotate_rows(const Angles& angles, std::int64_t first_position, MatrixView heads) const {
  const auto half = static_cast<std::size_t>(half_);
  for (std::int64_t row = 0; row < heads.rows; ++row) {
    const std::int64_t position = first_position + row;
    const std::span<const float> cos(angles.cos.data() + position * half_, half);
    const std::span<const float> sin(angles.sin.data() + position * half_, half);
    for (std::int64_t first = 0; first < heads.cols; first += 2 * half_) {
      rotate_halves(cos, sin, {heads.row(row) + first, 2 * half});
    }
  }
}

/// The same for rows of a text of `length` tokens.
void RotaryTable::rotate_text(std::int64_t length, std::int64_t first_position, MatrixView heads) const {
  if (!is_long(length)) {
    rotate_rows(angles_, first_position, heads);
  } else if (rotary_.scaling == RotaryScaling::longrope) {
    rotate_rows(long_angles_, first_position, heads);
  } else {
    // Every length has frequencies of its own: only the positions that these rows need are computed.
    const auto frequencies = rotary_frequencies(rotary_, 2 * half_, length);
    Angles angles;
    for (std::int64_t row = 0; row < heads.rows; ++row) {
      append_angles(frequencies, positions_[static_cast<std::size_t>(first_position + row)], angles);
    }
    rotate_rows(angles, 0, heads);
  }
}

void RotaryTable::rotate(const Execution& execution, const PackedBatch& batch, MatrixView heads) const {
  execution.for_ranges(heads.rows, kRowsPerThread, [&](std::int64_t begin, std::int64_t end, int) {
    auto sequence = std::upper_bound(batch.offsets.begin(), batch.offsets.end(), begin) - batch.offsets.begin() - 1;
    for (std::int64_t token = begin; token < end; ++sequence) {
      const std::int64_t start = batch.offsets[static_cast<std::size_t>(sequence)];
      const std::int64_t length = batch.length(sequence);
      const std::int64_t last = std::min(end, start + length);
      if (length > num_positions()) {
        fail(ErrorCode::internal, "rotary: {} positions of a table of {}", length, num_positions());
      }
      table_for(length).rotate_text(length, token - start, heads.row_range(token, last));
      token = last;
    }
  });
}

}  // namespace treble::internal
