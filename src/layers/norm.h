// The normalisations of transformer blocks, with their learned gain and bias.
#pragma once

#include <cstdint>
#include <vector>

#include "kernels/row_ops.h"

namespace treble::internal {

enum class NormKind {
  layer,  ///< (x − mean) / sqrt(var + eps) · gain + bias
  rms,    ///< x / sqrt(mean(x²) + eps) · gain
};

/// `gain` empty: this place of the block has no norm.
struct Norm {
  NormKind kind = NormKind::layer;
  std::vector<float> gain = {};
  std::vector<float> bias = {};
  float eps = 1e-12F;

  explicit operator bool() const noexcept { return !gain.empty(); }

  /// y may be x.
  void run(const Execution& execution, ConstMatrixView x, MatrixView y) const {
    if (kind == NormKind::layer) {
      layer_norm(execution, gain, bias, eps, x, y);
    } else {
      rms_norm(execution, gain, eps, x, y);
    }
  }
};

/// The norms around one sublayer of a block (attention or feed-forward), each of which may be missing:
///   x ← after(x + inside(f(before(x))))
/// BERT has `after` alone (post-norm), T5 and ModernBERT `before` alone (pre-norm), Gemma `before` and `inside`.
struct BlockNorms {
  Norm before = {};
  Norm inside = {};
  Norm after = {};
};

}  // namespace treble::internal
