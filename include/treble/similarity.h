// How two vectors are compared, as sentence-transformers' similarity functions have it.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "treble/export.h"

namespace treble {

enum class Similarity {
  cosine,
  dot,
  euclidean,  ///< minus the distance
  manhattan,  ///< minus the sum of absolute differences
};

/// "cosine", "dot", "euclidean", "manhattan". Throws Error{invalid_argument} naming these.
TREBLE_API Similarity parse_similarity(std::string_view name);
TREBLE_API std::string to_string(Similarity similarity);

/// Of two vectors; greater is more alike. Throws Error{invalid_argument} naming both sizes when they differ.
TREBLE_API float similarity(std::span<const float> a, std::span<const float> b, Similarity kind = Similarity::cosine);

/// The same for cosines, in double; the vectors may have any length. 0 where one is all zeros.
TREBLE_API double cosine(std::span<const float> a, std::span<const float> b);

}  // namespace treble
