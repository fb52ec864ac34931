// One data set under many settings: vectors, scores, metrics.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "sweep/cached_encoder.h"
#include "treble/evaluation.h"
#include "treble/reranker.h"
#include "treble/similarity.h"
#include "treble/sweep.h"

namespace treble::internal {

/// [setting] each.
struct TaskReading {
  std::vector<SweepReading> documents;  ///< of pairs, of all texts
  std::vector<SweepReading> queries;    ///< empty for pairs
};

/// What each setting gives on one data set.
class SweepTask {
 public:
  SweepTask() = default;
  virtual ~SweepTask() = default;
  SweepTask(const SweepTask&) = delete;
  SweepTask& operator=(const SweepTask&) = delete;

  virtual std::string metric_name() const = 0;
  virtual std::size_t items() const = 0;
  /// How many texts a setting encodes.
  virtual std::size_t texts() const = 0;
  /// Encodes and scores under one more setting; the first call is the untouched model. Throws Error{invalid_argument}
  /// when a step cannot be fitted on these texts, Error{invalid_file} when all scores are equal, Error{non_finite} when
  /// one overflows; the task is then as before.
  virtual void add(const SweepSetting& setting) = 0;
  /// As ItemMetric.
  virtual std::optional<double> metric(std::size_t setting, std::span<const std::size_t> items) const = 0;
  /// None where nothing but the items is left to chance. Of settings that were added so far; the task must outlive it.
  virtual MetricRuns runs() const { return {}; }
  /// [item]: the tokens that what is to be found has, or the longer of a pair, whatever is read of them; −1 when what
  /// is to be found is not there.
  virtual const std::vector<std::int64_t>& lengths() const = 0;
  /// How much of the texts the settings read.
  virtual const TaskReading& reading() const = 0;
  /// Its id, or its place in the data where it has none.
  virtual std::string item_id(std::size_t item) const = 0;
  /// Whether the metric over items is the mean of their scores.
  virtual bool scores_are_metric() const = 0;
  /// As of SweepReport::scores.
  virtual double item_score(std::size_t setting, std::size_t item) const = 0;
  /// Moves those of all settings into the report: rankings and document_ids. Nothing for pairs.
  virtual void give_rankings(SweepReport& report) = 0;
  /// Other measures over all items, by name.
  virtual std::vector<std::pair<std::string, double>> other_metrics(std::size_t setting) const = 0;
  /// Mean share over items of the first 10 places that a setting shares with the untouched model; nothing for pairs,
  /// which have no ranking.
  virtual std::optional<double> overlap(std::size_t setting, std::span<const std::size_t> items) const = 0;
};

struct SweepTaskOptions {
  std::string data = {};  ///< for messages
  SweepSide side = SweepSide::both;
  SweepPrompt query_prompt = {};
  SweepPrompt document_prompt = {};
  Similarity similarity = Similarity::cosine;
  HeldOutOptions folds = {};   ///< those that the task will be judged with
  std::int64_t run_depth = 0;  ///< as of SweepOptions
  std::size_t samples_per_label = 8;
};

/// Steps are fitted on the documents, which belong to no fold, and never on a query; when reranking, on the candidates
/// of the other folds' queries. As RankingTask judges. A document of `same_id` is in no ranking of its query. `encoder`
/// must outlive the task.
std::unique_ptr<SweepTask> make_retrieval_task(RetrievalData data, const CachedEncoder& encoder,
                                               SweepTaskOptions options);
/// The same by MaxSim, of a model that gives a vector for each token; no fitted steps and no pieces.
std::unique_ptr<SweepTask> make_late_retrieval_task(RetrievalData data, const CachedEncoder& encoder,
                                                    SweepTaskOptions options);
/// The same by dot product, of a model that has sparse vectors alone. Queries that it reads by a table of weights are
/// the same under every setting.
std::unique_ptr<SweepTask> make_sparse_retrieval_task(RetrievalData data, const CachedEncoder& encoder,
                                                      SweepTaskOptions options);

/// How a cross-encoder's task is set up.
struct RerankTaskOptions {
  SweepTaskOptions task;
  EncodeOptions encode;                   ///< of pairs; the setting's temperature and limit stand over it
  CachedEncoder::BatchCallback on_batch;  ///< after each batch of pairs
};
/// Candidates of each query, which there must be, ranked by the logit of query and document. `reranker` has one score a
/// pair and outlives the task.
std::unique_ptr<SweepTask> make_rerank_task(RetrievalData data, const Reranker& reranker, RerankTaskOptions options);

/// Graded scores are judged by Spearman's correlation with the similarities, 0/1 labels by average precision.
/// A pair's similarity under a fitted step comes from a fit on the texts of the other folds. Sides and prompts of the
/// options mean nothing here.
std::unique_ptr<SweepTask> make_pair_task(PairData data, const CachedEncoder& encoder, SweepTaskOptions options);

/// Accuracy of a logistic regression on the vectors, over mteb's ten training samples. Steps are fitted on the training
/// texts. Sides and prompts mean nothing here, nor in clustering.
std::unique_ptr<SweepTask> make_classification_task(LabelData data, const CachedEncoder& encoder,
                                                    SweepTaskOptions options);
/// V-measure of ten k-means clusterings of all texts. Steps are fitted on all texts, which sees no label.
std::unique_ptr<SweepTask> make_clustering_task(LabelData data, const CachedEncoder& encoder, SweepTaskOptions options);

}  // namespace treble::internal
