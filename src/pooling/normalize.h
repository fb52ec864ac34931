// Vectors of length 1.
#pragma once

#include <span>

namespace treble::internal {

/// x / max(‖x‖₂, 1e-12) in place, as torch.nn.functional.normalize, but with the norm in double: it neither overflows
/// nor underflows for any finite x. Zeros stay zeros; NaN and infinity give NaN.
void l2_normalize(std::span<float> x);

}  // namespace treble::internal
