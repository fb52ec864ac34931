// What the tasks of queries and documents share: rankings of each setting, and their metrics.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "sweep/sweep_task.h"

namespace treble::internal {

/// Judged by nDCG@10; by MAP where queries have candidates that no first ranking gave them.
class RankingTask : public SweepTask {
 public:
  RankingTask(RetrievalData data, SweepTaskOptions options) : data_(std::move(data)), options_(std::move(options)) {}

  std::string metric_name() const override { return by_map() ? "MAP" : "nDCG@10"; }
  std::size_t items() const override { return data_.queries.size(); }
  const std::vector<std::int64_t>& lengths() const override { return lengths_; }
  const TaskReading& reading() const override { return reading_; }
  std::optional<double> metric(std::size_t setting, std::span<const std::size_t> items) const override;
  bool scores_are_metric() const override { return true; }
  std::string item_id(std::size_t item) const override { return data_.query_ids[item]; }
  double item_score(std::size_t setting, std::size_t item) const override;
  void give_rankings(SweepReport& report) override;
  std::vector<std::pair<std::string, double>> other_metrics(std::size_t setting) const override;
  std::optional<double> overlap(std::size_t setting, std::span<const std::size_t> items) const override;

 protected:
  struct Judged {
    RankingMetrics cut;    ///< at 10
    RankingMetrics whole;  ///< of all candidates, where there are some
  };
  /// Of one setting.
  struct Rankings {
    explicit Rankings(std::size_t queries) : first(queries), metrics(queries), runs(queries) {}
    std::vector<std::vector<std::int64_t>> first;  ///< the first 10
    std::vector<Judged> metrics;
    std::vector<std::vector<RankedDocument>> runs;  ///< as deep as was asked for
    bool vary = false;                              ///< scores of any query
  };

  bool reranks() const { return !data_.candidates.empty(); }
  /// The document that is in no ranking of a query; −1 for none.
  std::int64_t excluded_of(std::size_t query) const { return data_.same_id.empty() ? -1 : data_.same_id[query]; }
  /// Scores of one query and these documents, one each.
  using ScoreQuery = std::function<std::vector<float>(std::size_t query, std::span<const std::int64_t> documents)>;
  /// Ranks what each of the chosen queries has to be compared with: its candidates, or all documents.
  void rank_all(const ScoreQuery& scores_of, std::span<const std::size_t> chosen, Rankings& result) const;
  /// Ranks `documents` by their scores.
  void rank(std::size_t query, std::span<const float> scores, std::span<const std::int64_t> documents,
            Rankings& result) const;
  /// Throws Error{invalid_file} where no query's scores vary.
  void keep(Rankings rankings, const SweepSetting& setting);
  /// Of the longest relevant document; −1 when the corpus has none of them. `tokens` [document].
  void record_lengths(std::span<const std::int64_t> tokens);

  RetrievalData data_;
  SweepTaskOptions options_;
  std::vector<std::int64_t> lengths_;
  TaskReading reading_;

 private:
  bool by_map() const { return reranks() && !data_.first_stage; }
  std::vector<std::int64_t> ranking_of(std::size_t query, std::span<const float> scores,
                                       std::span<const std::int64_t> documents) const;
  std::vector<RankedDocument> run_of(std::span<const std::int64_t> ranking, std::span<const float> scores,
                                     std::span<const std::int64_t> documents) const;

  std::vector<std::vector<std::vector<std::int64_t>>> rankings_;  ///< [setting][query][place]
  std::vector<std::vector<Judged>> metrics_;                      ///< [setting][query]
  std::vector<std::vector<std::vector<RankedDocument>>> runs_;    ///< [setting][query]; empty unless asked for
};

}  // namespace treble::internal
