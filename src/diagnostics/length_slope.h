// The length bias of a ranking: does a document's cosine to queries rise with its length?
#pragma once

#include <cstdint>
#include <span>

#include "diagnostics/pairwise_cosine.h"
#include "tensor/view.h"
#include "treble/collapse_report.h"

namespace treble::internal {

/// Least-squares slope of cos(query, document) on ln(tokens of the document) over all pairs, with a 95 % bootstrap
/// interval. Queries and documents are both samples, so both are resampled, each for itself (Owen, The Annals of
/// Applied Statistics 1, 2007: the pigeonhole bootstrap); a single query is not. Texts of 0 tokens count as 1. `queries
/// == 0` in the result when there is no query, fewer than two documents, or one length only. Deterministic for a seed.
SlopeEstimate length_slope(ConstMatrixView queries, ConstMatrixView documents, std::span<const std::int64_t> tokens,
                           const BootstrapOptions& options);

}  // namespace treble::internal
