// Activation functions over rows of float32 or bfloat16.
#pragma once

#include "kernels/activation.h"
#include "tensor/view.h"

namespace treble::internal {

/// y = activation(x), on the calling thread. Equal shapes of any stride; y may be x. NaN stays NaN.
void activate(Activation activation, ConstMatrixView x, MatrixView y,
              ActivationAccuracy accuracy = ActivationAccuracy::float32);
void activate(Activation activation, ConstBfloat16View x, Bfloat16View y,
              ActivationAccuracy accuracy = ActivationAccuracy::bfloat16);
/// In place.
void activate(Activation activation, MatrixView x, ActivationAccuracy accuracy = ActivationAccuracy::float32);
void activate(Activation activation, Bfloat16View x, ActivationAccuracy accuracy = ActivationAccuracy::bfloat16);

/// out = activation(gate) · up, element by element (gated linear units; Shazeer, arXiv 2002.05202). All [rows, cols] of
/// any stride; out may be gate or up.
void activate_gated(Activation activation, ConstMatrixView gate, ConstMatrixView up, MatrixView out,
                    ActivationAccuracy accuracy = ActivationAccuracy::float32);
void activate_gated(Activation activation, ConstBfloat16View gate, ConstBfloat16View up, Bfloat16View out,
                    ActivationAccuracy accuracy = ActivationAccuracy::bfloat16);

}  // namespace treble::internal
