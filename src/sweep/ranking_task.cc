#include "sweep/ranking_task.h"

#include <algorithm>
#include <numeric>

#include "base/fail.h"
#include "sweep/task_vectors.h"

namespace treble::internal {

namespace {

constexpr std::int64_t kCut = 10;

template <typename Value>
double mean_over(std::span<const std::size_t> items, const Value& value) {
  double sum = 0;
  for (const std::size_t item : items) sum += value(item);
  return items.empty() ? 0 : sum / static_cast<double>(items.size());
}

}  // namespace

std::optional<double> RankingTask::metric(std::size_t setting, std::span<const std::size_t> items) const {
  return mean_over(items, [&](std::size_t item) { return item_score(setting, item); });
}

double RankingTask::item_score(std::size_t setting, std::size_t item) const {
  const Judged& judged = metrics_[setting][item];
  return reranks() ? judged.whole.average_precision : judged.cut.ndcg;
}
void RankingTask::give_rankings(SweepReport& report) {
  if (options_.run_depth == 0) return;
  report.rankings = std::move(runs_);
  report.document_ids = data_.document_ids;
}

std::vector<std::pair<std::string, double>> RankingTask::other_metrics(std::size_t setting) const {
  const auto all = indices_up_to(items());
  const auto& m = metrics_[setting];
  const auto of = [&](const auto& field) { return mean_over(all, [&](std::size_t i) { return field(m[i].cut); }); };
  const double reciprocal = of([](const RankingMetrics& x) { return x.reciprocal_rank; });
  if (reranks()) return {{"nDCG@10", of([](const RankingMetrics& x) { return x.ndcg; })}, {"MRR@10", reciprocal}};
  return {{"recall@10", of([](const RankingMetrics& x) { return x.recall; })},
          {"MAP@10", of([](const RankingMetrics& x) { return x.average_precision; })},
          {"MRR@10", reciprocal}};
}

std::optional<double> RankingTask::overlap(std::size_t setting, std::span<const std::size_t> items) const {
  return mean_over(items, [&](std::size_t item) {
    const auto& before = rankings_.front()[item];
    const auto& after = rankings_[setting][item];
    double shared = 0;
    for (const std::int64_t d : after) shared += std::find(before.begin(), before.end(), d) != before.end() ? 1 : 0;
    return before.empty() ? 1.0 : shared / static_cast<double>(before.size());
  });
}

void RankingTask::score(const ScoreQuery& scores_of, std::span<const std::size_t> chosen, Scores& result) const {
  std::vector<std::int64_t> everything(data_.documents.size());
  std::iota(everything.begin(), everything.end(), 0);
  for (const std::size_t query : chosen) {
    const auto& candidates = reranks() ? data_.candidates[query] : everything;
    const std::int64_t excluded = data_.same_id.empty() ? -1 : data_.same_id[query];
    const std::vector<float> scores = scores_of(query, candidates);
    Variation variation;
    for (std::size_t i = 0; i < scores.size(); ++i) {
      if (candidates[i] != excluded) variation.add(scores[i], "a query and a document");
    }
    result.vary = result.vary || variation.any();
    auto ranking = ranking_of(query, scores, candidates, excluded);
    result.runs[query] = run_of(ranking, scores, candidates);
    record_ranking(query, std::move(ranking), result);
  }
}

void RankingTask::keep(const SweepSetting& setting, Scores scores, const SweepReading& documents,
                       const SweepReading& queries) {
  if (!scores.vary) {
    fail(ErrorCode::invalid_file,
         "{}: under the setting {} every query finds all its documents equally similar; "
         "there is nothing to rank",
         options_.data, setting.name());
  }
  rankings_.push_back(std::move(scores.rankings));
  metrics_.push_back(std::move(scores.metrics));
  if (options_.run_depth > 0) runs_.push_back(std::move(scores.runs));
  reading_.documents.push_back(documents);
  reading_.queries.push_back(queries);
}

void RankingTask::record_lengths(std::span<const std::int64_t> tokens) {
  for (const auto& relevant : data_.relevant) {
    std::int64_t longest = -1;
    for (const auto& [document, grade] : relevant) {
      if (document >= 0) longest = std::max(longest, tokens[static_cast<std::size_t>(document)]);
    }
    lengths_.push_back(longest);
  }
}

/// The head of `ranking`, of documents that are `candidates` with these scores.
std::vector<RankedDocument> RankingTask::run_of(std::span<const std::int64_t> ranking, std::span<const float> scores,
                                                std::span<const std::int64_t> candidates) const {
  std::vector<RankedDocument> run;
  for (const std::int64_t document : ranking.first(std::min(ranking.size(), depth()))) {
    const auto place =
        reranks() ? std::find(candidates.begin(), candidates.end(), document) - candidates.begin() : document;
    run.push_back({document, scores[static_cast<std::size_t>(place)]});
  }
  return run;
}

/// The documents in order: as many as are asked for, or all candidates when reranking; never `excluded`.
std::vector<std::int64_t> RankingTask::ranking_of(std::size_t query, std::span<const float> scores,
                                                  std::span<const std::int64_t> candidates,
                                                  std::int64_t excluded) const {
  if (!reranks()) {
    const std::int64_t wanted = std::max(kCut, options_.run_depth);
    auto ranking = rank_documents(scores, data_.document_ids, wanted + 1);
    std::erase(ranking, excluded);
    ranking.resize(std::min<std::size_t>(ranking.size(), static_cast<std::size_t>(wanted)));
    return ranking;
  }
  std::vector<std::string> ids;
  for (const std::int64_t d : data_.candidates[query]) ids.push_back(data_.document_ids[static_cast<std::size_t>(d)]);
  auto ranking = rank_documents(scores, ids, static_cast<std::int64_t>(ids.size()));
  for (std::int64_t& place : ranking) place = candidates[static_cast<std::size_t>(place)];
  return ranking;
}

void RankingTask::record_ranking(std::size_t query, std::vector<std::int64_t> ranking, Scores& result) const {
  const auto& relevant = data_.relevant[query];
  result.metrics[query] = {ranking_metrics(ranking, relevant, kCut),
                           ranking_metrics(ranking, relevant, static_cast<std::int64_t>(ranking.size()))};
  ranking.resize(std::min<std::size_t>(ranking.size(), kCut));
  result.rankings[query] = std::move(ranking);
}

}  // namespace treble::internal
