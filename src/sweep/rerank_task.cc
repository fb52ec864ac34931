#include <algorithm>
#include <string_view>
#include <utility>

#include "sweep/ranking_task.h"
#include "sweep/settings.h"
#include "treble/reranker.h"

namespace treble::internal {

namespace {

/// A call's pairs: enough for every thread to have work, and what a stop waits for.
constexpr std::size_t kPairsAtOnce = 128;

/// Candidates ranked by a cross-encoder's score of query and document.
class RerankTask : public RankingTask {
 public:
  RerankTask(RetrievalData data, const Reranker& reranker, RerankTaskOptions options)
      : RankingTask(std::move(data), std::move(options.task)),
        reranker_(reranker),
        encode_(std::move(options.encode)),
        on_batch_(std::move(options.on_batch)) {
    for (std::size_t query = 0; query < data_.queries.size(); ++query) {
      for (const std::int64_t document : data_.candidates[query]) {
        pairs_.push_back({data_.queries[query], data_.documents[static_cast<std::size_t>(document)]});
      }
    }
  }

  std::size_t texts() const override { return pairs_.size(); }

  void add(const SweepSetting& setting) override {
    SweepReading reading;
    const std::vector<float> scores = score(setting, reading);
    Rankings rankings(data_.queries.size());
    std::size_t begin = 0;
    for (std::size_t query = 0; query < data_.queries.size(); ++query) {
      const auto& candidates = data_.candidates[query];
      rank(query, std::span(scores).subspan(begin, candidates.size()), candidates, rankings);
      begin += candidates.size();
    }
    keep(std::move(rankings), setting);
    reading_.documents.push_back(reading);
  }

 private:
  /// The logits of all pairs: an activation would only make equal what is not.
  std::vector<float> score(const SweepSetting& setting, SweepReading& reading) {
    RerankOptions options;
    options.encode = encode_options(setting, false, encode_);
    options.activation = ScoreActivation::identity;
    std::vector<float> scores;
    std::vector<std::int64_t> tokens;
    for (std::size_t begin = 0; begin < pairs_.size(); begin += kPairsAtOnce) {
      const auto batch = std::span(pairs_).subspan(begin, std::min(kPairsAtOnce, pairs_.size() - begin));
      const Scores found = reranker_.score(batch, options);
      scores.insert(scores.end(), found.values.begin(), found.values.end());
      for (const TokenCount& count : found.token_counts) {
        tokens.push_back(count.tokens);
        reading.tokens += count.tokens;
        reading.read += count.used;
        reading.cut += count.used < count.tokens ? 1 : 0;
      }
      on_batch_(batch.size(), true);
    }
    reading.texts = static_cast<std::int64_t>(pairs_.size());
    if (lengths_.empty()) record_lengths(tokens);
    return scores;
  }

  /// Of a query with its longest relevant candidate; −1 when none of them is a candidate.
  void record_lengths(std::span<const std::int64_t> tokens) {
    std::size_t pair = 0;
    for (std::size_t query = 0; query < data_.queries.size(); ++query) {
      const auto& relevant = data_.relevant[query];
      std::int64_t longest = -1;
      for (const std::int64_t document : data_.candidates[query]) {
        const bool wanted =
            std::any_of(relevant.begin(), relevant.end(), [&](const auto& judged) { return judged.first == document; });
        if (wanted) longest = std::max(longest, tokens[pair]);
        ++pair;
      }
      lengths_.push_back(longest);
    }
  }

  const Reranker& reranker_;
  EncodeOptions encode_;
  CachedEncoder::BatchCallback on_batch_;
  std::vector<TextPair> pairs_;
};

}  // namespace

std::unique_ptr<SweepTask> make_rerank_task(RetrievalData data, const Reranker& reranker, RerankTaskOptions options) {
  return std::make_unique<RerankTask>(std::move(data), reranker, std::move(options));
}

}  // namespace treble::internal
