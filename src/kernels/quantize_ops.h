// Rows of float32 in fewer bits, and back.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "tensor/view.h"

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

/// Quantises one row over its own range into codes 0 … `most` ≤ 255, so that no other row matters. A NaN or infinity in
/// it makes `offset` NaN, which then shows in every product. Equal sizes.
RowQuantParams quantize_row(std::span<const float> x, std::int32_t most, std::span<std::uint8_t> codes);

/// Multiplies each block of `block` numbers (a power of two that divides their count) by the Walsh–Hadamard matrix of
/// that size: H Hᵀ = block · I; `rotated` may be x. What stands out in one number is spread over all of its block, so
/// that codes of few bits lose less (as in QuaRot; Ashkboos et al., arXiv 2404.00456).
void hadamard_transform(std::int64_t block, std::span<const float> x, std::span<float> rotated);

/// What turns sums of codes back into numbers, a column each.
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

/// One row of weights over its own range: codes in ±`most`. Where `most_pair` is below 2 · `most`, the range is drawn
/// around 0, as few pairs then come near its end, and neighbours 2i and 2i + 1 are drawn in where their sum is beyond
/// ±`most_pair`. A constant row has scale 0; a NaN or infinity in it makes `offset` NaN, which then shows in every
/// product.
WeightQuantParams quantize_weights(std::span<const float> x, std::int32_t most, std::int32_t most_pair,
                                   std::span<std::int8_t> codes);

/// moments[j][i] += Σ scaled_j · x_i over the rows of both, [rows, n] of one stride, for i ≤ j: the lower triangle of
/// Σ w · x xᵀ where `scaled` is x with each row times its w. Of `moments` [n, n], some above the diagonal change too.
void add_moments(ConstMatrixView x, ConstMatrixView scaled, MatrixView moments);

/// Some inputs of 16 outputs of a layer: weights in steps of their codes.
struct LdlqTile {
  static constexpr std::size_t kOutputs = 16;
  static constexpr std::size_t kInputs = 64;
  using Numbers = std::array<std::array<float, kOutputs>, kInputs>;
  alignas(64) Numbers weights;
  alignas(64) Numbers codes;
  alignas(64) Numbers wanted;  ///< scratch
};

/// codes of one input after the other: the whole number in ±most nearest to the weight and what the errors (weight
/// minus code) of the inputs i before it add to it, `feedback`[i][input] of each. `feedback` [n, n], n ≤ kInputs.
void ldlq_round(ConstMatrixView feedback, std::int32_t most, LdlqTile& tile);

/// To the nearest bfloat16, ties to even; NaN stays NaN. Equal sizes.
void to_bfloat16(std::span<const float> x, std::span<std::uint16_t> y);
/// The same numbers in more bits. Equal sizes.
void from_bfloat16(std::span<const std::uint16_t> x, std::span<float> y);
/// Rounded and widened again.
void round_to_bfloat16(std::span<const float> x, std::span<float> y);

}  // namespace treble::internal
