#include "sweep_task.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <utility>

#include "fail.h"
#include "output/metadata.h"

namespace treble::cli {

namespace {

constexpr std::size_t kChunkTexts = 512;
constexpr std::int64_t kCut = 10;

std::vector<std::string_view> views(std::span<const std::string> texts) { return {texts.begin(), texts.end()}; }

/// In place; cosines are products of unit rows.
void normalize(CachedVectors& vectors) {
  const auto dim = static_cast<std::size_t>(vectors.dim);
  for (std::size_t row = 0; row * dim < vectors.values.size(); ++row) {
    float* values = vectors.values.data() + row * dim;
    double square = 0;
    for (std::size_t i = 0; i < dim; ++i) square += double{values[i]} * double{values[i]};
    const double scale = square > 0 ? 1 / std::sqrt(square) : 0;
    for (std::size_t i = 0; i < dim; ++i) values[i] = static_cast<float>(values[i] * scale);
  }
}

/// Eight sums side by side, so that the compiler may use vectors without reordering anything.
float dot(const float* a, const float* b, std::size_t dim) {
  std::array<float, 8> sums = {};
  std::size_t i = 0;
  for (; i + 8 <= dim; i += 8) {
    for (std::size_t lane = 0; lane < 8; ++lane) sums[lane] += a[i + lane] * b[i + lane];
  }
  float sum = 0;
  for (; i < dim; ++i) sum += a[i] * b[i];
  for (const float part : sums) sum += part;
  return sum;
}

class RetrievalTask : public SweepTask {
 public:
  RetrievalTask(RetrievalData data, const CachedEncoder& encoder, SweepSide side, SweepPrompts prompts)
      : data_(std::move(data)), encoder_(encoder), side_(side), prompts_(std::move(prompts)) {}

  std::string metric_name() const override { return "nDCG@10"; }
  std::size_t items() const override { return data_.queries.size(); }
  const std::vector<std::int64_t>& lengths() const override { return lengths_; }
  bool ranks() const override { return true; }

  void add(const SweepSetting& setting) override {
    const Temperature untouched;
    const CachedVectors documents =
        unit_vectors(data_.documents, side_ == SweepSide::query ? untouched : setting.temperature, prompts_.document);
    const CachedVectors queries =
        unit_vectors(data_.queries, side_ == SweepSide::document ? untouched : setting.temperature, prompts_.query);
    if (rankings_.empty()) note_lengths(documents);
    auto& rankings = rankings_.emplace_back();
    auto& metrics = metrics_.emplace_back();
    const auto dim = static_cast<std::size_t>(documents.dim);
    std::vector<float> scores(data_.documents.size());
    for (std::size_t query = 0; query < data_.queries.size(); ++query) {
      const float* vector = queries.values.data() + query * dim;
      for (std::size_t d = 0; d < scores.size(); ++d) scores[d] = dot(vector, documents.values.data() + d * dim, dim);
      rankings.push_back(rank(scores, data_.document_ids, kCut));
      metrics.push_back(judge(rankings.back(), data_.relevant[query], kCut));
    }
  }

  double metric(std::size_t setting, std::span<const std::size_t> items) const override {
    return mean(items, [&](std::size_t item) { return metrics_[setting][item].ndcg; });
  }

  std::vector<std::pair<std::string, double>> other_metrics(std::size_t setting) const override {
    std::vector<std::size_t> all(items());
    for (std::size_t i = 0; i < all.size(); ++i) all[i] = i;
    const auto& m = metrics_[setting];
    return {{"recall@10", mean(all, [&](std::size_t i) { return m[i].recall; })},
            {"MAP@10", mean(all, [&](std::size_t i) { return m[i].average_precision; })},
            {"MRR@10", mean(all, [&](std::size_t i) { return m[i].reciprocal_rank; })}};
  }

  double overlap(std::size_t setting, std::span<const std::size_t> items) const override {
    return mean(items, [&](std::size_t item) {
      const auto& before = rankings_.front()[item];
      const auto& after = rankings_[setting][item];
      double shared = 0;
      for (const std::int64_t d : after) shared += std::find(before.begin(), before.end(), d) != before.end() ? 1 : 0;
      return before.empty() ? 1.0 : shared / static_cast<double>(before.size());
    });
  }

 private:
  template <typename Value>
  static double mean(std::span<const std::size_t> items, const Value& value) {
    double sum = 0;
    for (const std::size_t item : items) sum += value(item);
    return items.empty() ? 0 : sum / static_cast<double>(items.size());
  }

  CachedVectors unit_vectors(const std::vector<std::string>& texts, const Temperature& temperature,
                             const std::string& prompt) const {
    CachedVectors vectors = encoder_.encode(texts, temperature, prompt);
    normalize(vectors);
    return vectors;
  }

  /// Of the longest relevant document.
  void note_lengths(const CachedVectors& documents) {
    for (const auto& relevant : data_.relevant) {
      std::int64_t longest = 0;
      for (const auto& [document, grade] : relevant) {
        longest = std::max(longest, documents.tokens[static_cast<std::size_t>(document)]);
      }
      lengths_.push_back(longest);
    }
  }

  RetrievalData data_;
  const CachedEncoder& encoder_;
  SweepSide side_;
  SweepPrompts prompts_;
  std::vector<std::int64_t> lengths_;
  std::vector<std::vector<std::vector<std::int64_t>>> rankings_;  ///< [setting][query][place]
  std::vector<std::vector<RankingMetrics>> metrics_;              ///< [setting][query]
};

class PairTask : public SweepTask {
 public:
  PairTask(PairData data, const CachedEncoder& encoder) : data_(std::move(data)), encoder_(encoder) {
    graded_ = std::any_of(data_.scores.begin(), data_.scores.end(), [](double s) { return s != 0 && s != 1; });
  }

  std::string metric_name() const override { return graded_ ? "Spearman" : "average precision"; }
  std::size_t items() const override { return data_.scores.size(); }
  const std::vector<std::int64_t>& lengths() const override { return lengths_; }
  bool ranks() const override { return false; }

  void add(const SweepSetting& setting) override {
    CachedVectors first = encoder_.encode(data_.first, setting.temperature, "");
    CachedVectors second = encoder_.encode(data_.second, setting.temperature, "");
    if (lengths_.empty()) {
      for (std::size_t i = 0; i < items(); ++i) lengths_.push_back(std::max(first.tokens[i], second.tokens[i]));
    }
    normalize(first);
    normalize(second);
    const auto dim = static_cast<std::size_t>(first.dim);
    auto& cosines = cosines_.emplace_back();
    for (std::size_t i = 0; i < items(); ++i) {
      cosines.push_back(dot(first.values.data() + i * dim, second.values.data() + i * dim, dim));
    }
  }

  double metric(std::size_t setting, std::span<const std::size_t> items) const override {
    std::vector<double> cosines;
    std::vector<double> scores;
    for (const std::size_t item : items) {
      cosines.push_back(cosines_[setting][item]);
      scores.push_back(data_.scores[item]);
    }
    return graded_ ? spearman(cosines, scores) : average_precision(cosines, scores);
  }

  std::vector<std::pair<std::string, double>> other_metrics(std::size_t) const override { return {}; }
  double overlap(std::size_t, std::span<const std::size_t>) const override { return 1; }

 private:
  PairData data_;
  const CachedEncoder& encoder_;
  bool graded_ = false;
  std::vector<std::int64_t> lengths_;
  std::vector<std::vector<double>> cosines_;  ///< [setting][pair]
};

}  // namespace

std::string CachedEncoder::settings_of(const EncodeOptions& options) const {
  const ModelInfo& model = encoder_.info();
  const Json json = {encoder_.weights_sha256(),
                     model.compute_dtype,
                     model.cpu_isa,
                     model.pooling,
                     model.modules,
                     model.extension,
                     model.max_length,
                     options.max_length ? Json(*options.max_length) : Json(),
                     options.temperature.to_string(),
                     options.temper_position_bias,
                     options.prompt ? Json(*options.prompt) : Json(),
                     options.prompt_name ? Json(*options.prompt_name) : Json(),
                     static_cast<int>(options.truncation),
                     options.dimensions ? Json(*options.dimensions) : Json()};
  return dump(json, -1);
}

CachedVectors CachedEncoder::encode_chunk(std::span<const std::string_view> texts, const EncodeOptions& options) const {
  const std::string key = VectorCache::key(settings_of(options), texts);
  if (auto found = cache_.find(key, texts.size())) return std::move(*found);
  Embeddings embeddings = encoder_.encode(texts, options);
  CachedVectors vectors{embeddings.dim, std::move(embeddings.values), {}};
  for (const TokenCount& count : embeddings.token_counts) vectors.tokens.push_back(count.used);
  cache_.keep(key, vectors);
  return vectors;
}

CachedVectors CachedEncoder::encode(std::span<const std::string> texts, const Temperature& temperature,
                                    const std::string& prompt_name) const {
  EncodeOptions options = options_;
  options.temperature = temperature;
  if (!prompt_name.empty()) options.prompt_name = prompt_name;
  CachedVectors all;
  const auto all_views = views(texts);
  for (std::size_t begin = 0; begin < all_views.size(); begin += kChunkTexts) {
    const auto chunk = std::span(all_views).subspan(begin, std::min(kChunkTexts, all_views.size() - begin));
    CachedVectors vectors = encode_chunk(chunk, options);
    all.dim = vectors.dim;
    all.values.insert(all.values.end(), vectors.values.begin(), vectors.values.end());
    all.tokens.insert(all.tokens.end(), vectors.tokens.begin(), vectors.tokens.end());
    if (progress_) progress_(chunk.size());
  }
  return all;
}

std::unique_ptr<SweepTask> make_retrieval_task(RetrievalData data, const CachedEncoder& encoder, SweepSide side,
                                               SweepPrompts prompts) {
  return std::make_unique<RetrievalTask>(std::move(data), encoder, side, std::move(prompts));
}

std::unique_ptr<SweepTask> make_pair_task(PairData data, const CachedEncoder& encoder) {
  return std::make_unique<PairTask>(std::move(data), encoder);
}

}  // namespace treble::cli
