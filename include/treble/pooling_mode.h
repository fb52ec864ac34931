// How the hidden states of a text's tokens become one vector.
#pragma once

#include <span>
#include <string>

#include "treble/export.h"

namespace treble {

/// Let tokens 1 … n of a text be pooled; where the model excludes the prompt, its tokens (and the special token before
/// it) are not, but the others keep their positions.
enum class PoolingMode {
  cls,            ///< the first token
  max,            ///< column by column
  mean,           ///< sum / n
  mean_sqrt_len,  ///< sum / sqrt(n)
  weighted_mean,  ///< weight i for the i-th token of the text (Muennighoff, arXiv 2202.08904)
  last_token,     ///< the last token
};

/// The names of sentence-transformers: "cls", "max", "mean", "mean_sqrt_len_tokens", "weightedmean", "lasttoken".
TREBLE_API std::string to_string(PoolingMode mode);

/// Of vectors side by side: "cls+mean".
TREBLE_API std::string to_string(std::span<const PoolingMode> modes);

}  // namespace treble
