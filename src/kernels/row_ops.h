// Small operations on rows of hidden states.
#pragma once

#include <cstdint>
#include <span>

#include "kernels/execution.h"
#include "tensor/view.h"

namespace treble::internal {

/// Layer normalisation, a row at a time (Ba et al., arXiv 1607.06450): y = (x − mean) / sqrt(var + eps) · gain + bias.
/// gain and bias are [cols]; an empty bias is zero. y may be x.
void layer_norm(const Execution& execution, std::span<const float> gain, std::span<const float> bias, float eps,
                ConstMatrixView x, MatrixView y);

/// Root-mean-square normalisation, a row at a time (Zhang & Sennrich, arXiv 1910.07467): y = x / sqrt(mean(x²) + eps) ·
/// gain; gain is [cols]. y may be x.
void rms_norm(const Execution& execution, std::span<const float> gain, float eps, ConstMatrixView x, MatrixView y);

/// y += x, element by element; equal sizes.
void add_row(std::span<const float> x, std::span<float> y);

/// Rotary position embedding in place (Su et al., arXiv 2104.09864), in the rotate-half form of GPT-NeoX:
/// (x₁, x₂) → (x₁ cos − x₂ sin, x₂ cos + x₁ sin). `head` is one head of one token, `cos` and `sin` its position's
/// head.size() / 2 values.
void rotate_halves(std::span<const float> cos, std::span<const float> sin, std::span<float> head);

}  // namespace treble::internal
