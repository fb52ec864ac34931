// Activation functions over rows.
#pragma once

#include "kernels/activation.h"
#include "tensor/view.h"

namespace treble {

/// x = activation(x), in place, on the calling thread. NaN stays NaN.
void activate(Activation activation, MatrixView x, ActivationAccuracy accuracy = ActivationAccuracy::float32);

/// out = activation(gate) · up, element by element (gated linear units; Shazeer, arXiv 2002.05202). All [rows, cols] of
/// any stride; out may be gate or up.
void activate_gated(Activation activation, ConstMatrixView gate, ConstMatrixView up, MatrixView out,
                    ActivationAccuracy accuracy = ActivationAccuracy::float32);

}  // namespace treble
