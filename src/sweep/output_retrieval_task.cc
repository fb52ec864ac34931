// Rankings of models without a dense output: by MaxSim of those that give a vector for each token, by dot product of
// those that weigh the vocabulary's tokens.
#include <algorithm>
#include <map>
#include <optional>
#include <utility>

#include "base/fail.h"
#include "sweep/ranking_task.h"
#include "sweep/task_vectors.h"
#include "treble/multi_vector.h"
#include "treble/sparse.h"

namespace treble::internal {

namespace {

/// Some of the texts.
MultiVectors some_of(const MultiVectors& vectors, std::span<const std::int64_t> texts) {
  MultiVectors result{.count = std::ssize(texts), .dim = vectors.dim};
  for (const std::int64_t text : texts) {
    const TokenVectors own = vectors.row(text);
    result.values.insert(result.values.end(), own.values.begin(), own.values.end());
    result.offsets.push_back(result.offsets.back() + own.count);
  }
  return result;
}

class MaxSimScores {
 public:
  using Vectors = MultiVectors;

  explicit MaxSimScores(const CachedEncoder& encoder) : how_{.mean = encoder.mean_max_sim()} {}

  static MultiVectors encode(const CachedEncoder& encoder, const std::vector<std::string>& texts,
                             const SweepSetting& setting, const SweepPrompt& prompt, TextRole role) {
    return encoder.encode_multi(texts, setting, prompt, role);
  }

  /// Of a query with `some` of the documents, or with all where there is no choice.
  std::vector<float> of(const MultiVectors& queries, std::int64_t query, const MultiVectors& documents,
                        std::optional<std::span<const std::int64_t>> some) const {
    const MultiVectors asked = some_of(queries, {&query, 1});
    return some ? max_sim(asked, some_of(documents, *some), how_) : max_sim(asked, documents, how_);
  }

 private:
  MaxSimOptions how_;
};

class DotScores {
 public:
  using Vectors = SparseVectors;

  explicit DotScores(const CachedEncoder& /*encoder*/) {}

  static SparseVectors encode(const CachedEncoder& encoder, const std::vector<std::string>& texts,
                              const SweepSetting& setting, const SweepPrompt& prompt, TextRole role) {
    return encoder.encode_sparse(texts, setting, prompt, role);
  }

  std::vector<float> of(const SparseVectors& queries, std::int64_t query, const SparseVectors& documents,
                        std::optional<std::span<const std::int64_t>> some) const {
    const SparseRow asked = queries.row(query);
    const std::int64_t count = some ? std::ssize(*some) : documents.count;
    std::vector<float> scores;
    scores.reserve(static_cast<std::size_t>(count));
    for (std::int64_t i = 0; i < count; ++i) {
      scores.push_back(dot(asked, documents.row(some ? (*some)[static_cast<std::size_t>(i)] : i)));
    }
    return scores;
  }
};

/// The texts of one side under one setting after another. Vectors of the model as trained are kept for the settings
/// whose temperature does not act on this side.
template <typename Scores>
class OutputSide {
 public:
  using Vectors = Scores::Vectors;

  /// `encoder` and `texts` must outlive this.
  OutputSide(const CachedEncoder& encoder, const std::vector<std::string>& texts, SweepPrompt prompt, TextRole role)
      : encoder_(encoder), texts_(texts), prompt_(std::move(prompt)), role_(role) {}

  const Vectors& encode(SweepSetting setting, bool tempered) {
    if (!tempered) {
      setting.temperature = {};
      setting.state = {};
    }
    if (!setting.temperature.is_identity() || !setting.state.is_identity()) {
      return latest_.emplace(Scores::encode(encoder_, texts_, setting, prompt_, role_));
    }
    const auto [place, is_new] = kept_.try_emplace(setting.name());
    if (is_new) {
      place->second = Scores::encode(encoder_, texts_, setting, prompt_, role_);
    } else {
      encoder_.skip(texts_.size());
    }
    return place->second;
  }

 private:
  const CachedEncoder& encoder_;
  const std::vector<std::string>& texts_;
  SweepPrompt prompt_;
  TextRole role_;
  std::optional<Vectors> latest_;
  std::map<std::string, Vectors> kept_;
};

SweepReading reading_of(std::span<const TokenCount> counts) {
  SweepReading reading;
  for (const TokenCount& count : counts) {
    ++reading.texts;
    reading.cut += count.used < count.tokens ? 1 : 0;
    reading.tokens += count.tokens;
    reading.read += count.used;
  }
  return reading;
}

template <typename Scores>
class OutputRetrievalTask : public RankingTask {
 public:
  OutputRetrievalTask(RetrievalData data, const CachedEncoder& encoder, SweepTaskOptions options)
      : RankingTask(std::move(data), std::move(options)),
        scores_(encoder),
        tempers_queries_(options_.side != SweepSide::document && !encoder.reads_queries_by_table()),
        documents_(encoder, data_.documents, options_.document_prompt, TextRole::document),
        queries_(encoder, data_.queries, options_.query_prompt, TextRole::query) {}

  std::size_t texts() const override { return data_.queries.size() + data_.documents.size(); }

  void add(const SweepSetting& setting) override {
    const auto& documents = documents_.encode(setting, options_.side != SweepSide::query);
    const auto& queries = queries_.encode(setting, tempers_queries_);
    if (lengths_.empty()) {
      std::vector<std::int64_t> tokens;
      tokens.reserve(documents.token_counts.size());
      for (const TokenCount& count : documents.token_counts) tokens.push_back(count.tokens);
      record_lengths(tokens);
    }
    const auto scores_of = [&](std::size_t query, std::span<const std::int64_t> candidates) {
      return scores_.of(queries, static_cast<std::int64_t>(query), documents,
                        reranks() ? std::optional(candidates) : std::nullopt);
    };
    Rankings rankings(items());
    rank_all(scores_of, indices_up_to(items()), rankings);
    keep(std::move(rankings), setting);
    reading_.documents.push_back(reading_of(documents.token_counts));
    reading_.queries.push_back(reading_of(queries.token_counts));
  }

 private:
  Scores scores_;
  bool tempers_queries_;
  OutputSide<Scores> documents_;
  OutputSide<Scores> queries_;
};

}  // namespace

std::unique_ptr<SweepTask> make_late_retrieval_task(RetrievalData data, const CachedEncoder& encoder,
                                                    SweepTaskOptions options) {
  return std::make_unique<OutputRetrievalTask<MaxSimScores>>(std::move(data), encoder, std::move(options));
}

std::unique_ptr<SweepTask> make_sparse_retrieval_task(RetrievalData data, const CachedEncoder& encoder,
                                                      SweepTaskOptions options) {
  return std::make_unique<OutputRetrievalTask<DotScores>>(std::move(data), encoder, std::move(options));
}

}  // namespace treble::internal
