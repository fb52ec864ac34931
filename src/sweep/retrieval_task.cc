#include <algorithm>
#include <utility>

#include "base/fail.h"
#include "evaluation/similarity.h"
#include "sweep/ranking_task.h"
#include "sweep/task_vectors.h"

namespace treble::internal {

namespace {

class RetrievalTask : public RankingTask {
 public:
  RetrievalTask(RetrievalData data, const CachedEncoder& encoder, SweepTaskOptions options)
      : RankingTask(std::move(data), std::move(options)),
        normalize_(encoder.normalizes()),
        documents_(encoder, this->data().documents, this->options().document_prompt),
        queries_(encoder, this->data().queries, this->options().query_prompt) {}

  void add(const SweepSetting& setting) override {
    const CachedVectors documents = documents_.encode(setting, options().side != SweepSide::query);
    const CachedVectors queries = queries_.encode(setting, options().side != SweepSide::document);
    if (lengths().empty()) record_lengths(documents_.tokens());
    Scores scores(items());
    const auto all = indices_up_to(items());
    if (!setting.post) {
      score_vectors(documents, queries, all, scores);
    } else {
      // A corpus belongs to no fold, so all of it is fitted on. Leaving out what a fold's queries look for would leak
      // the labels: what was not fitted on looks different afterwards. All candidates of one query belong to its fold.
      const std::vector<std::vector<std::size_t>> one = {all};
      for (const auto& fold : reranks() ? split_folds(items(), options().folds) : one) {
        const PostTransform transform = fit(*setting.post, documents, fold);
        score_vectors(transformed(transform, documents, normalize_), transformed(transform, queries, normalize_), fold,
                      scores);
      }
    }
    keep(setting, std::move(scores), documents_.reading(setting), queries_.reading(setting));
  }

 private:
  PostTransform fit(const PostSpec& spec, const CachedVectors& documents, std::span<const std::size_t> fold) const {
    std::vector<bool> held(data().documents.size());
    for (const std::size_t query : reranks() ? fold : std::span<const std::size_t>()) {
      for (const std::int64_t document : data().candidates[query]) held[static_cast<std::size_t>(document)] = true;
    }
    const CachedVectors chosen = rows_of(documents, indices_outside(held));
    PostFitter fitter(documents.dim);
    fitter.add(chosen.values, chosen.tokens);
    return fitter.fit(spec, {});
  }

  void score_vectors(CachedVectors documents, CachedVectors queries, std::span<const std::size_t> chosen,
                     Scores& result) const {
    prepare(options().similarity, documents.values, documents.dim);
    prepare(options().similarity, queries.values, queries.dim);
    const auto scores_of = [&](std::size_t query, std::span<const std::int64_t> candidates) {
      std::vector<float> scores;
      scores.reserve(candidates.size());
      for (const std::int64_t d : candidates) {
        scores.push_back(
            compare(options().similarity, row(queries, query), row(documents, static_cast<std::size_t>(d))));
      }
      return scores;
    };
    score(scores_of, chosen, result);
  }

  bool normalize_;  ///< vectors after a fitted step
  SideEncoder documents_;
  SideEncoder queries_;
};

}  // namespace

std::unique_ptr<SweepTask> make_retrieval_task(RetrievalData data, const CachedEncoder& encoder,
                                               SweepTaskOptions options) {
  return std::make_unique<RetrievalTask>(std::move(data), encoder, std::move(options));
}

}  // namespace treble::internal
