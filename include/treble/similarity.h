// How two vectors are compared, as sentence-transformers' similarity functions have it.
#pragma once

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

}  // namespace treble
