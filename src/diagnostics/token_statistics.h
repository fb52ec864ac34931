// What is left of a text's tokens' differences, layer by layer.
#pragma once

#include "tensor/view.h"

namespace treble::internal {

struct TokenStatistics {
  /// ‖HC[X]‖_F / ‖X‖_F, HC[X] = X − its mean row (Zhou et al., arXiv 2410.24200, section 3): 0 when all tokens are
  /// equal.
  double hc_ratio = 0;
  /// Mean cosine over pairs of different tokens (Ethayarajh, arXiv 1909.00512); 0 for a single token.
  double token_cosine = 0;
};

/// Of one text's hidden states [tokens, hidden].
TokenStatistics token_statistics(ConstMatrixView hidden);

}  // namespace treble::internal
