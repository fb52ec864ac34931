// How alike the vectors of a group are to one another.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "tensor/view.h"
#include "treble/collapse_report.h"

namespace treble::internal {

struct BootstrapOptions {
  int resamples = 1000;
  std::uint64_t seed = 1;
};

/// Mean cosine over all pairs of different rows with its 95 % bootstrap interval (percentile_interval, the spread
/// corrected to that of a mean over pairs). Rows are resampled, not pairs, as pairs that share a row are not
/// independent; a pair of a row with its own copy does not count. O(resamples · rows · cols) time, by (Σ w_i v_i)² =
/// Σ_ij w_i w_j v_i·v_j over the unit vectors v. A zero row has cosine 0 to every other. Deterministic for a seed.
CosineEstimate mean_pairwise_cosine(ConstMatrixView vectors, const BootstrapOptions& options);

/// [a][b]: mean cosine between the rows of group a and those of group b, pairs of a row with itself left out; nothing
/// where there is no pair. Group i owns the rows [ends[i − 1], ends[i]).
std::vector<std::vector<std::optional<double>>> group_cosines(ConstMatrixView vectors,
                                                              std::span<const std::int64_t> ends);

}  // namespace treble::internal
