#include <algorithm>
#include <numeric>
#include <utility>

#include "base/fail.h"
#include "evaluation/similarity.h"
#include "sweep/sweep_task.h"
#include "sweep/task_vectors.h"

namespace treble::internal {

namespace {

constexpr std::int64_t kCut = 10;

class RetrievalTask : public SweepTask {
 public:
  RetrievalTask(RetrievalData data, const CachedEncoder& encoder, SweepTaskOptions options)
      : data_(std::move(data)),
        options_(std::move(options)),
        normalize_(encoder.normalizes()),
        documents_(encoder, data_.documents, options_.document_prompt),
        queries_(encoder, data_.queries, options_.query_prompt) {}

  std::string metric_name() const override { return reranks() ? "MAP" : "nDCG@10"; }
  std::size_t items() const override { return data_.queries.size(); }
  std::size_t texts() const override { return data_.queries.size() + data_.documents.size(); }
  const std::vector<std::int64_t>& lengths() const override { return lengths_; }
  const TaskReading& reading() const override { return reading_; }

  void add(const SweepSetting& setting) override {
    const CachedVectors documents = documents_.encode(setting, options_.side != SweepSide::query);
    const CachedVectors queries = queries_.encode(setting, options_.side != SweepSide::document);
    if (lengths_.empty()) record_lengths();
    Scores scores(data_.queries.size());
    const auto all = indices_up_to(items());
    if (!setting.post) {
      score(documents, queries, all, scores);
    } else {
      // A corpus belongs to no fold, so all of it is fitted on. Leaving out what a fold's queries look for would leak
      // the labels: what was not fitted on looks different afterwards. All candidates of one query belong to its fold.
      const std::vector<std::vector<std::size_t>> one = {all};
      for (const auto& fold : reranks() ? split_folds(items(), options_.folds) : one) {
        const PostTransform transform = fit(*setting.post, documents, fold);
        score(transformed(transform, documents, normalize_), transformed(transform, queries, normalize_), fold, scores);
      }
    }
    if (!scores.vary) {
      fail(ErrorCode::invalid_file,
           "{}: under the setting {} every query finds all its documents equally similar; "
           "there is nothing to rank",
           options_.data, setting.name());
    }
    rankings_.push_back(std::move(scores.rankings));
    metrics_.push_back(std::move(scores.metrics));
    if (options_.run_depth > 0) runs_.push_back(std::move(scores.runs));
    reading_.documents.push_back(documents_.reading(setting));
    reading_.queries.push_back(queries_.reading(setting));
  }

  std::optional<double> metric(std::size_t setting, std::span<const std::size_t> items) const override {
    return mean(items, [&](std::size_t item) { return item_score(setting, item); });
  }

  bool scores_are_metric() const override { return true; }
  std::string item_id(std::size_t item) const override { return data_.query_ids[item]; }
  double item_score(std::size_t setting, std::size_t item) const override {
    const Judged& judged = metrics_[setting][item];
    return reranks() ? judged.whole.average_precision : judged.cut.ndcg;
  }
  void give_rankings(SweepReport& report) override {
    if (options_.run_depth == 0) return;
    report.rankings = std::move(runs_);
    report.document_ids = data_.document_ids;
  }

  std::vector<std::pair<std::string, double>> other_metrics(std::size_t setting) const override {
    const auto all = indices_up_to(items());
    const auto& m = metrics_[setting];
    const auto of = [&](const auto& field) { return mean(all, [&](std::size_t i) { return field(m[i].cut); }); };
    const double reciprocal = of([](const RankingMetrics& x) { return x.reciprocal_rank; });
    if (reranks()) return {{"nDCG@10", of([](const RankingMetrics& x) { return x.ndcg; })}, {"MRR@10", reciprocal}};
    return {{"recall@10", of([](const RankingMetrics& x) { return x.recall; })},
            {"MAP@10", of([](const RankingMetrics& x) { return x.average_precision; })},
            {"MRR@10", reciprocal}};
  }

  std::optional<double> overlap(std::size_t setting, std::span<const std::size_t> items) const override {
    return mean(items, [&](std::size_t item) {
      const auto& before = rankings_.front()[item];
      const auto& after = rankings_[setting][item];
      double shared = 0;
      for (const std::int64_t d : after) shared += std::find(before.begin(), before.end(), d) != before.end() ? 1 : 0;
      return before.empty() ? 1.0 : shared / static_cast<double>(before.size());
    });
  }

 private:
  struct Judged {
    RankingMetrics cut;    ///< at 10
    RankingMetrics whole;  ///< of all candidates, when reranking
  };
  struct Scores {
    explicit Scores(std::size_t count) : rankings(count), metrics(count), runs(count) {}
    std::vector<std::vector<std::int64_t>> rankings;  ///< the first 10
    std::vector<Judged> metrics;
    std::vector<std::vector<RankedDocument>> runs;  ///< as deep as was asked for
    bool vary = false;                              ///< of any query
  };

  template <typename Value>
  static double mean(std::span<const std::size_t> items, const Value& value) {
    double sum = 0;
    for (const std::size_t item : items) sum += value(item);
    return items.empty() ? 0 : sum / static_cast<double>(items.size());
  }

  bool reranks() const { return !data_.candidates.empty(); }

  PostTransform fit(const PostSpec& spec, const CachedVectors& documents, std::span<const std::size_t> fold) const {
    std::vector<bool> held(data_.documents.size());
    for (const std::size_t query : reranks() ? fold : std::span<const std::size_t>()) {
      for (const std::int64_t document : data_.candidates[query]) held[static_cast<std::size_t>(document)] = true;
    }
    const CachedVectors chosen = rows_of(documents, indices_outside(held));
    PostFitter fitter(documents.dim);
    fitter.add(chosen.values, chosen.tokens);
    return fitter.fit(spec, {});
  }

  /// The queries' rankings.
  void score(CachedVectors documents, CachedVectors queries, std::span<const std::size_t> chosen,
             Scores& result) const {
    prepare(options_.similarity, documents.values, documents.dim);
    prepare(options_.similarity, queries.values, queries.dim);
    std::vector<std::int64_t> everything(data_.documents.size());
    std::iota(everything.begin(), everything.end(), 0);
    for (const std::size_t query : chosen) {
      const auto& candidates = reranks() ? data_.candidates[query] : everything;
      const std::int64_t excluded = data_.same_id.empty() ? -1 : data_.same_id[query];
      std::vector<float> scores;
      scores.reserve(candidates.size());
      Variation variation;
      for (const std::int64_t d : candidates) {
        scores.push_back(
            compare(options_.similarity, row(queries, query), row(documents, static_cast<std::size_t>(d))));
        if (d != excluded) variation.add(scores.back(), "a query and a document");
      }
      result.vary = result.vary || variation.any();
      auto ranking = ranking_of(query, scores, candidates, excluded);
      result.runs[query] = run_of(ranking, scores, candidates);
      record_ranking(query, std::move(ranking), result);
    }
  }

  /// The head of `ranking`, of documents that are `candidates` with these scores.
  std::vector<RankedDocument> run_of(std::span<const std::int64_t> ranking, std::span<const float> scores,
                                     std::span<const std::int64_t> candidates) const {
    std::vector<RankedDocument> run;
    for (const std::int64_t document : ranking.first(std::min(ranking.size(), depth()))) {
      const auto place =
          reranks() ? std::find(candidates.begin(), candidates.end(), document) - candidates.begin() : document;
      run.push_back({document, scores[static_cast<std::size_t>(place)]});
    }
    return run;
  }

  std::size_t depth() const { return static_cast<std::size_t>(options_.run_depth); }

  /// The documents in order: as many as are asked for, or all candidates when reranking; never `excluded`.
  std::vector<std::int64_t> ranking_of(std::size_t query, std::span<const float> scores,
                                       std::span<const std::int64_t> candidates, std::int64_t excluded) const {
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

  void record_ranking(std::size_t query, std::vector<std::int64_t> ranking, Scores& result) const {
    const auto& relevant = data_.relevant[query];
    result.metrics[query] = {ranking_metrics(ranking, relevant, kCut),
                             ranking_metrics(ranking, relevant, static_cast<std::int64_t>(ranking.size()))};
    ranking.resize(std::min<std::size_t>(ranking.size(), kCut));
    result.rankings[query] = std::move(ranking);
  }

  /// Of the longest relevant document; −1 when the corpus has none of them.
  void record_lengths() {
    for (const auto& relevant : data_.relevant) {
      std::int64_t longest = -1;
      for (const auto& [document, grade] : relevant) {
        if (document >= 0) longest = std::max(longest, documents_.tokens()[static_cast<std::size_t>(document)]);
      }
      lengths_.push_back(longest);
    }
  }

  RetrievalData data_;
  SweepTaskOptions options_;
  bool normalize_;  ///< vectors after a fitted step
  SideEncoder documents_;
  SideEncoder queries_;
  std::vector<std::int64_t> lengths_;
  TaskReading reading_;
  std::vector<std::vector<std::vector<std::int64_t>>> rankings_;  ///< [setting][query][place]
  std::vector<std::vector<Judged>> metrics_;                      ///< [setting][query]
  std::vector<std::vector<std::vector<RankedDocument>>> runs_;    ///< [setting][query]; empty unless asked for
};

}  // namespace

std::unique_ptr<SweepTask> make_retrieval_task(RetrievalData data, const CachedEncoder& encoder,
                                               SweepTaskOptions options) {
  return std::make_unique<RetrievalTask>(std::move(data), encoder, std::move(options));
}

}  // namespace treble::internal
