// The two loops of LDLQ weight rounding that take its time (kernels/weight_rounding.h).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "tensor/view.h"

namespace treble::internal {

/// moments[j][i] += Σ scaled_j · x_i over the rows of both, [rows, n] of one stride, for i ≤ j: the lower triangle of
/// Σ w · x xᵀ where `scaled` is x with each row times its w. Of `moments` [n, n], some above the diagonal change too.
void add_moments(ConstMatrixView x, ConstMatrixView scaled, MatrixView moments);

/// Some inputs of 16 outputs of a layer: weights in quantization steps.
struct LdlqTile {
  static constexpr std::size_t kOutputs = 16;
  static constexpr std::size_t kInputs = 64;
  using Values = std::array<std::array<float, kOutputs>, kInputs>;
  alignas(64) Values weights;
  alignas(64) Values codes;
  alignas(64) Values target;  ///< scratch
};

/// Fills `codes` input by input: the integer in ±qmax nearest to the weight plus the feedback of the errors (weight
/// minus code) of the inputs i before it, `feedback`[i][input] of each. `feedback` [n, n], n ≤ kInputs.
void ldlq_round(ConstMatrixView feedback, std::int32_t qmax, LdlqTile& tile);

}  // namespace treble::internal
