// What the tasks of rankings share: from scores to rankings and their metrics.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "sweep/sweep_task.h"

namespace treble::internal {

class RankingTask : public SweepTask {
 public:
  RankingTask(RetrievalData data, SweepTaskOptions options) : data_(std::move(data)), options_(std::move(options)) {}

  std::string metric_name() const override { return reranks() ? "MAP" : "nDCG@10"; }
  std::size_t items() const override { return data_.queries.size(); }
  std::size_t texts() const override { return data_.queries.size() + data_.documents.size(); }
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
    RankingMetrics whole;  ///< of all candidates, when reranking
  };
  struct Scores {
    explicit Scores(std::size_t count) : rankings(count), metrics(count), runs(count) {}
    std::vector<std::vector<std::int64_t>> rankings;  ///< the first 10
    std::vector<Judged> metrics;
    std::vector<std::vector<RankedDocument>> runs;  ///< as deep as was asked for
    bool vary = false;                              ///< of any query
  };
  /// Of one query and these documents.
  using ScoreQuery = std::function<std::vector<float>(std::size_t query, std::span<const std::int64_t> documents)>;

  bool reranks() const { return !data_.candidates.empty(); }
  /// The chosen queries' rankings.
  void score(const ScoreQuery& scores_of, std::span<const std::size_t> chosen, Scores& result) const;
  /// Of one more setting. Throws Error{invalid_file} where nothing varies.
  void keep(const SweepSetting& setting, Scores scores, const SweepReading& documents, const SweepReading& queries);
  /// Of the longest relevant document; −1 when the corpus has none of them. `tokens` [document].
  void record_lengths(std::span<const std::int64_t> tokens);

  const RetrievalData& data() const noexcept { return data_; }
  const SweepTaskOptions& options() const noexcept { return options_; }

 private:
  std::vector<RankedDocument> run_of(std::span<const std::int64_t> ranking, std::span<const float> scores,
                                     std::span<const std::int64_t> candidates) const;
  std::vector<std::int64_t> ranking_of(std::size_t query, std::span<const float> scores,
                                       std::span<const std::int64_t> candidates, std::int64_t excluded) const;
  void record_ranking(std::size_t query, std::vector<std::int64_t> ranking, Scores& result) const;
  std::size_t depth() const { return static_cast<std::size_t>(options_.run_depth); }

  RetrievalData data_;
  SweepTaskOptions options_;
  std::vector<std::int64_t> lengths_;
  TaskReading reading_;
  std::vector<std::vector<std::vector<std::int64_t>>> rankings_;  ///< [setting][query][place]
  std::vector<std::vector<Judged>> metrics_;                      ///< [setting][query]
  std::vector<std::vector<std::vector<RankedDocument>>> runs_;    ///< [setting][query]; empty unless asked for
};

}  // namespace treble::internal
