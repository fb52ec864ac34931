// Rankings by MaxSim, of models that give a vector for each token.
#include <algorithm>
#include <map>
#include <optional>
#include <utility>

#include "base/fail.h"
#include "sweep/ranking_task.h"
#include "sweep/task_vectors.h"
#include "treble/multi_vector.h"

namespace treble::internal {

namespace {

/// The texts of one side under one setting after another. Vectors of the model as trained are kept for the settings
/// whose temperature does not act on this side.
class LateSide {
 public:
  /// `encoder` and `texts` must outlive this.
  LateSide(const CachedEncoder& encoder, const std::vector<std::string>& texts, SweepPrompt prompt, TextRole role)
      : encoder_(encoder), texts_(texts), prompt_(std::move(prompt)), role_(role) {}

  const MultiVectors& encode(SweepSetting setting, bool tempered) {
    if (!tempered) setting.temperature = {};
    if (!setting.temperature.is_identity())
      return latest_.emplace(encoder_.encode_multi(texts_, setting, prompt_, role_));
    const auto [place, is_new] = kept_.try_emplace(setting.name());
    if (is_new) {
      place->second = encoder_.encode_multi(texts_, setting, prompt_, role_);
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
  std::optional<MultiVectors> latest_;
  std::map<std::string, MultiVectors> kept_;
};

SweepReading reading_of(const MultiVectors& vectors) {
  SweepReading reading;
  for (const TokenCount& count : vectors.token_counts) {
    ++reading.texts;
    reading.cut += count.used < count.tokens ? 1 : 0;
    reading.tokens += count.tokens;
    reading.read += count.used;
  }
  return reading;
}

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

class LateRetrievalTask : public RankingTask {
 public:
  LateRetrievalTask(RetrievalData data, const CachedEncoder& encoder, SweepTaskOptions options)
      : RankingTask(std::move(data), std::move(options)),
        mean_(encoder.mean_max_sim()),
        documents_(encoder, data_.documents, options_.document_prompt, TextRole::document),
        queries_(encoder, data_.queries, options_.query_prompt, TextRole::query) {}

  std::size_t texts() const override { return data_.queries.size() + data_.documents.size(); }

  void add(const SweepSetting& setting) override {
    const MultiVectors& documents = documents_.encode(setting, options_.side != SweepSide::query);
    const MultiVectors& queries = queries_.encode(setting, options_.side != SweepSide::document);
    if (lengths_.empty()) {
      std::vector<std::int64_t> tokens;
      tokens.reserve(documents.token_counts.size());
      for (const TokenCount& count : documents.token_counts) tokens.push_back(count.tokens);
      record_lengths(tokens);
    }
    const auto scores_of = [&](std::size_t query, std::span<const std::int64_t> candidates) {
      const auto one = static_cast<std::int64_t>(query);
      const MultiVectors asked = some_of(queries, {&one, 1});
      const MaxSimOptions how{.mean = mean_};
      if (!reranks()) return max_sim(asked, documents, how);
      return max_sim(asked, some_of(documents, candidates), how);
    };
    Rankings rankings(items());
    rank_all(scores_of, indices_up_to(items()), rankings);
    keep(std::move(rankings), setting);
    reading_.documents.push_back(reading_of(documents));
    reading_.queries.push_back(reading_of(queries));
  }

 private:
  bool mean_;
  LateSide documents_;
  LateSide queries_;
};

}  // namespace

std::unique_ptr<SweepTask> make_late_retrieval_task(RetrievalData data, const CachedEncoder& encoder,
                                                    SweepTaskOptions options) {
  return std::make_unique<LateRetrievalTask>(std::move(data), encoder, std::move(options));
}

}  // namespace treble::internal
