// MaxSim, the score of late interaction.
#pragma once

#include <cstdint>
#include <span>

#include "kernels/execution.h"
#include "tensor/view.h"

namespace treble::internal {

/// Sequences of vectors laid end to end.
struct VectorSequences {
  ConstMatrixView rows;                   ///< [vectors, dim], any stride
  std::span<const std::int64_t> offsets;  ///< [count + 1]: sequence i has the rows [offsets[i], offsets[i + 1])

  std::int64_t count() const noexcept { return static_cast<std::int64_t>(offsets.size()) - 1; }
};

/// scores[q, d] = Σ_i max_j queries[q]_i · documents[d]_j, over the vectors i of query q and j of document d (Khattab &
/// Zaharia, arXiv 2004.12832, equation 3). A NaN in a vector shows in the scores of its query or document; a document
/// without vectors scores −∞ unless the query has none either, a query without vectors 0. The score of a pair depends
/// on that pair alone, bit for bit. Throws Error{internal} when shapes disagree.
void max_sim(const Execution& execution, const VectorSequences& queries, const VectorSequences& documents,
             MatrixView scores);

/// Whether none of them is a NaN or infinity.
bool all_finite(const Execution& execution, std::span<const float> values);

}  // namespace treble::internal
