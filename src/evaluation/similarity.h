// How alike two vectors are, as sentence-transformers' similarity functions have it.
#pragma once

#include <cstdint>
#include <span>

#include "treble/similarity.h"

namespace treble {

/// Before vectors [n, dim] are compared: scales each to length 1 for cosines (one without a direction becomes zeros, so
/// that its cosine to everything is 0), else leaves them as they are.
void prepare(Similarity similarity, std::span<float> vectors, std::int64_t dim);

/// Of two prepared vectors of one size; greater is more alike.
float compare(Similarity similarity, std::span<const float> a, std::span<const float> b);

}  // namespace treble
