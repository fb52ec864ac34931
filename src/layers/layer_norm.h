// Layer normalisation with learned gain and bias.
#pragma once

#include <vector>

#include "kernels/row_ops.h"

namespace treble {

struct LayerNorm {
  std::vector<float> gain;
  std::vector<float> bias;
  float eps = 1e-12F;

  void run(const Execution& execution, MatrixView x) const { layer_norm(execution, gain, bias, eps, x); }
};

}  // namespace treble
