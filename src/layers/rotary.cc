#include "layers/rotary.h"

#include <algorithm>
#include <vector>

#include "base/fail.h"
#include "kernels/row_ops.h"

namespace treble::internal {

namespace {
constexpr std::int64_t kRowsPerThread = 64;
}  // namespace

RotaryTable::RotaryTable(const RotaryConfig& rotary, std::int64_t dim, const PositionPlan& positions)
    : rotary_(rotary), positions_(positions), half_(dim / 2) {
  // Up to the original positions a length does not matter.
  angles_ = angles_of(1);
  if (rotary.scaling == RotaryScaling::longrope && is_long(num_positions())) long_angles_ = angles_of(num_positions());
}

bool RotaryTable::is_long(std::int64_t length) const noexcept {
  return rotary_.depends_on_length() && static_cast<double>(length) > rotary_.original_positions;
}

/// Of all positions, for texts of `length` tokens.
RotaryAngles RotaryTable::angles_of(std::int64_t length) const {
  return {rotary_frequencies(rotary_, 2 * half_, length), static_cast<float>(rotary_.attention_factor), positions_};
}

/// All heads of one token by the row of its position.
void RotaryTable::rotate_row(const float* angles, std::span<float> heads) const {
  const auto half = static_cast<std::size_t>(half_);
  const std::span<const float> cos(angles, half);
  const std::span<const float> sin(angles + half_, half);
  for (std::size_t first = 0; first < heads.size(); first += 2 * half) {
    rotate_halves(cos, sin, heads.subspan(first, 2 * half));
  }
}

/// Row r of `heads` is at position first_position + r of a text of `length` tokens.
void RotaryTable::rotate_text(std::int64_t length, std::int64_t first_position, MatrixView heads) const {
  const auto width = static_cast<std::size_t>(2 * half_);
  if (is_long(length) && rotary_.scaling == RotaryScaling::dynamic) {
    // Every length has frequencies of its own: only the positions that these rows need are computed.
    const auto frequencies = rotary_frequencies(rotary_, 2 * half_, length);
    std::vector<float> angles;
    for (std::int64_t row = 0; row < heads.rows; ++row) {
      angles.clear();
      append_angles(frequencies, static_cast<float>(rotary_.attention_factor), positions_[first_position + row],
                    angles);
      rotate_row(angles.data(), heads.row_span(row));
    }
    return;
  }
  const RotaryAngles& table = is_long(length) ? long_angles_ : angles_;
  std::span<const float> angles;
  for (std::int64_t row = 0; row < heads.rows; ++row) {
    angles = angles.empty() ? table.rows_from(first_position + row) : angles;
    rotate_row(angles.data(), heads.row_span(row));
    angles = angles.subspan(width);
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
