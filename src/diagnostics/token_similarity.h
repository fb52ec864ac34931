// How alike the token vectors of multi-vector outputs are: within a text, and between texts as MaxSim sees them.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "diagnostics/pairwise_cosine.h"
#include "kernels/max_sim.h"
#include "treble/collapse_report.h"

namespace treble::internal {

/// The mean cosine between the different vectors of a text (TokenStatistics::token_cosine), and of that the mean over
/// the texts with two vectors or more; its interval resamples these texts. CosineEstimate::texts counts them,
/// CosineEstimate::pairs the pairs of vectors.
CosineEstimate mean_token_cosine(const VectorSequences& texts, const BootstrapOptions& options);

/// A score of two different texts.
struct PairScore {
  std::int64_t query = 0;
  std::int64_t document = 0;
  double score = 0;
};

/// The mean score over all of `pairs`; its interval resamples the texts that occur in them, not pairs, as pairs that
/// share a text are not independent (the spread corrected to that of a mean over these pairs). Deterministic for a
/// seed.
CosineEstimate mean_pair_score(std::vector<PairScore> pairs, const BootstrapOptions& options);

/// body(index) for every index of [0, count), on any threads.
using ForEachIndex = std::function<void(std::int64_t count, const std::function<void(std::int64_t)>& body)>;

/// MaxSim of every text as the query with `documents` others, or with all where there are no more, divided by the
/// query's vectors. Texts without vectors take no part. Which ones is drawn by `seed`: texts are put into a circle in
/// random order, and each is compared with those that follow it, so that every text is as often a document as a query.
std::vector<PairScore> max_sim_pairs(const VectorSequences& texts, std::int64_t documents, std::uint64_t seed,
                                     const ForEachIndex& for_each);

/// Of the vectors of all texts together; of more than 65,536, as many evenly spaced ones.
TokenSpread token_spread(ConstMatrixView vectors);

}  // namespace treble::internal
