// Reference implementations of the fast kernels: a few loops each, in double where it costs nothing to be sure. Always
// built; the kernels' tests compare against them.
#pragma once

#include <span>

#include "kernels/activation.h"
#include "kernels/attention.h"
#include "kernels/max_sim.h"
#include "kernels/selective_scan.h"
#include "tensor/view.h"

namespace treble::internal::reference {

/// activation(x), one value.
double activate(Activation activation, double x);

/// y = activation(x W^T + bias [+ y]); weight [out, in], bias [out] or empty.
void linear(ConstMatrixView weight, std::span<const float> bias, Activation activation, bool accumulate,
            ConstMatrixView x, MatrixView y);

/// y = (x − mean) / sqrt(var + eps) · gain + bias, a row at a time (Ba et al., arXiv 1607.06450).
void layer_norm(ConstMatrixView x, std::span<const float> gain, std::span<const float> bias, double eps, MatrixView y);

/// y = x / sqrt(mean(x²) + eps) · gain, a row at a time (Zhang & Sennrich, arXiv 1910.07467).
void rms_norm(ConstMatrixView x, std::span<const float> gain, double eps, MatrixView y);

/// The attention of kernels/attention.h with the whole n x n matrix in memory.
void attention(const AttentionInputs& inputs, MatrixView out);

/// MaxSim of kernels/max_sim.h, pair by pair, in double; of vectors without NaN.
void max_sim(const VectorSequences& queries, const VectorSequences& documents, MatrixView scores);

/// The scan of kernels/selective_scan.h step after step, its states in double.
void selective_scan(const ScanInputs& inputs, std::span<float> states, MatrixView y);

/// The convolution of kernels/selective_scan.h.
void causal_convolution(const CausalConvolution& convolution, std::span<const std::int64_t> offsets,
                        std::span<float> history, ConstMatrixView x, MatrixView y);

}  // namespace treble::internal::reference
