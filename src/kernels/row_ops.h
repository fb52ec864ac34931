// Small operations on rows of hidden states.
#pragma once

#include <cstdint>
#include <span>

#include "kernels/execution.h"
#include "tensor/view.h"

namespace treble {

/// Layer normalisation in place, a row at a time (Ba et al., arXiv 1607.06450); gain and bias are [cols].
void layer_norm(const Execution& execution, std::span<const float> gain, std::span<const float> bias, float eps,
                MatrixView x);

/// y += x, element by element; equal sizes.
void add_row(std::span<const float> x, std::span<float> y);

}  // namespace treble
