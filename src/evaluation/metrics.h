// Measures of rankings and of graded similarity, as mteb computes them.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace treble {

/// (document, grade > 0) of one query. Document −1: one that no ranking finds, which counts among the relevant ones all
/// the same (in recall, average precision and the ideal ranking), as with trec_eval.
using Judgements = std::vector<std::pair<std::int64_t, double>>;

/// The k documents of highest score, as trec_eval ranks them: among equal scores the greater id (as text) comes first.
std::vector<std::int64_t> rank(std::span<const float> scores, std::span<const std::string> ids, std::int64_t k);

/// Of one query's ranking, cut at k. Queries without a relevant document give 0.
struct RankingMetrics {
  double ndcg = 0;               ///< gain: the grade; discount log2(rank + 1) (trec_eval's ndcg_cut)
  double recall = 0;             ///< recall_cut
  double average_precision = 0;  ///< map_cut
  double reciprocal_rank = 0;
};
RankingMetrics judge(std::span<const std::int64_t> ranking, const Judgements& relevant, std::int64_t k);

/// Spearman's rank correlation, ties at their mean rank (scipy.stats.spearmanr). Nothing where one side is constant.
std::optional<double> spearman(std::span<const double> a, std::span<const double> b);

/// Area under the precision-recall steps (sklearn.metrics.average_precision_score); labels > 0.5 are positive. Nothing
/// without positives.
std::optional<double> average_precision(std::span<const double> scores, std::span<const double> labels);

}  // namespace treble
