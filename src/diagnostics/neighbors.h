// Nearest neighbours by cosine, and how often each text is one.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "tensor/view.h"
#include "treble/collapse_report.h"

namespace treble::internal {

/// [row][rank]: the k rows of highest cosine to each row, itself left out, the lower index first among equals; fewer
/// when there are fewer rows. O(rows²) time, O(rows) memory. A zero row has cosine 0 to all.
std::vector<std::vector<Neighbor>> nearest_neighbors(ConstMatrixView vectors, std::int64_t k);

/// N_k: in how many lists each row stands (Radovanović et al., JMLR 11, 2010).
std::vector<std::int64_t> k_occurrences(const std::vector<std::vector<Neighbor>>& neighbors);

/// Of a group's counts. Skewness is the third standardised moment (population form), 0 where all are equal.
HubnessEstimate describe_hubness(std::span<const std::int64_t> occurrences);

}  // namespace treble::internal
