// Comparing vectors by a similarity.
#pragma once

#include <cstdint>
#include <span>

#include "treble/similarity.h"

namespace treble::internal {

/// Before vectors [n, dim] are compared: scales each to length 1 for cosines (one without a direction becomes zeros, so
/// that its cosine to everything is 0), else leaves them as they are.
void prepare(Similarity similarity, std::span<float> vectors, std::int64_t dim);

/// Of two prepared vectors of one size; higher is more alike.
float compare(Similarity similarity, std::span<const float> a, std::span<const float> b);

}  // namespace treble::internal
