#include "layers/rotary.h"

#include <algorithm>
#include <cmath>

#include "base/fail.h"
#include "kernels/row_ops.h"

namespace treble {

namespace {
constexpr std::int64_t kRowsPerThread = 64;
}  // namespace

std::vector<double> rotary_frequencies(double base, std::int64_t dim) {
  std::vector<double> frequencies;
  for (std::int64_t i = 0; i < dim / 2; ++i) {
    frequencies.push_back(std::pow(base, -2.0 * static_cast<double>(i) / static_cast<double>(dim)));
  }
  return frequencies;
}

RotaryTable::RotaryTable(const std::vector<double>& frequencies, const PositionPlan& positions)
    : half_(static_cast<std::int64_t>(frequencies.size())) {
  cos_.reserve(frequencies.size() * positions.size());
  sin_.reserve(cos_.capacity());
  for (const double position : positions) {
    for (const double frequency : frequencies) {
      // The angle is rounded to float32 first, as PyTorch does; at far positions that is what models were trained with.
      const float angle = static_cast<float>(position) * static_cast<float>(frequency);
      cos_.push_back(static_cast<float>(std::cos(double{angle})));
      sin_.push_back(static_cast<float>(std::sin(double{angle})));
    }
  }
}

void RotaryTable::rotate(const Execution& execution, const PackedBatch& batch, MatrixView heads) const {
  const auto half = static_cast<std::size_t>(half_);
  execution.for_ranges(heads.rows, kRowsPerThread, [&](std::int64_t begin, std::int64_t end, int) {
    auto sequence = std::upper_bound(batch.offsets.begin(), batch.offsets.end(), begin) - batch.offsets.begin() - 1;
    for (std::int64_t token = begin; token < end; ++token) {
      while (token >= batch.offsets[static_cast<std::size_t>(sequence) + 1]) ++sequence;
      const std::int64_t position = token - batch.offsets[static_cast<std::size_t>(sequence)];
      if (position >= num_positions()) {
        fail(ErrorCode::internal, "rotary: position {} of a table of {}", position, num_positions());
      }
      const RotaryTable& table = table_for(batch.length(sequence));
      const std::span<const float> cos(table.cos_.data() + position * half_, half);
      const std::span<const float> sin(table.sin_.data() + position * half_, half);
      for (std::int64_t first = 0; first < heads.cols; first += 2 * half_) {
        rotate_halves(cos, sin, {heads.row(token) + first, 2 * half});
      }
    }
  });
}

}  // namespace treble
