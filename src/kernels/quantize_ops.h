// Quantization of rows of float32 to 8 bits, and back.
#pragma once

#include <cstdint>
#include <span>

namespace treble::internal {

/// x ≈ offset + scale · code.
struct RowQuantParams {
  float scale = 0;
  float offset = 0;
  float total = 0;  ///< Σ x
};

/// The same of one row of weights.
struct WeightQuantParams {
  float scale = 0;
  float offset = 0;
};

/// Quantizes one row over its own range into codes 0 … `qmax` ≤ 255, so that no other row matters. A NaN or infinity in
/// it makes `offset` NaN, which then propagates to every output. Equal sizes.
RowQuantParams quantize_row(std::span<const float> x, std::int32_t qmax, std::span<std::uint8_t> codes);

/// What dequantizes int32 sums, a column each.
struct ColumnQuantParams {
  std::span<const float> scale;   ///< of the column's weights
  std::span<const float> offset;  ///< of the column's weights
  std::span<const float> sum;     ///< scale · Σ of the column's integer weights
  std::span<const float> bias;
};

/// y = row.scale · column.scale · sums + row.offset · column.sum + row.total · column.offset + bias, added to y where
/// `accumulate`.
void dequantize_row(std::span<const std::int32_t> sums, const RowQuantParams& row, const ColumnQuantParams& columns,
                    bool accumulate, std::span<float> y);

/// Quantizes one row of weights over its own range into codes in ±`qmax`. Where `pair_max` is below 2 · `qmax`, the
/// range is symmetric, as few pairs then come near its end, and neighbours 2i and 2i + 1 are clamped to a sum within
/// ±`pair_max`. A constant row has scale 0; a NaN or infinity in it makes `offset` NaN, which then propagates to every
/// output.
WeightQuantParams quantize_weights(std::span<const float> x, std::int32_t qmax, std::int32_t pair_max,
                                   std::span<std::int8_t> codes);

}  // namespace treble::internal
