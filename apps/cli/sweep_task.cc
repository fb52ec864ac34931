#include "sweep_task.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <numeric>
#include <utility>

#include "fail.h"
#include "output/metadata.h"

namespace treble::cli {

namespace {

constexpr std::size_t kLotTexts = 512;
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

/// Some rows of vectors.
CachedVectors rows_of(const CachedVectors& vectors, std::span<const std::size_t> rows) {
  CachedVectors result{vectors.dim, {}, {}};
  const auto dim = static_cast<std::size_t>(vectors.dim);
  for (const std::size_t row : rows) {
    const float* values = vectors.values.data() + row * dim;
    result.values.insert(result.values.end(), values, values + dim);
    result.tokens.push_back(vectors.tokens[row]);
  }
  return result;
}

CachedVectors applied(const PostTransform& transform, const CachedVectors& vectors) {
  return {transform.output_dim(), transform.apply(vectors.values, true), vectors.tokens};
}

/// Vectors at temperature 1 are asked for more than once: by sides and fitted steps that leave it so.
class Untempered {
 public:
  Untempered(const CachedEncoder& encoder, const std::vector<std::string>& texts, std::string prompt)
      : encoder_(encoder), texts_(texts), prompt_(std::move(prompt)) {}

  /// `tempered`: whether the setting's temperature acts on these texts.
  CachedVectors encode(SweepSetting setting, bool tempered) {
    if (tempered && !setting.temperature.is_identity()) return encoder_.encode(texts_, setting, prompt_);
    setting.temperature = {};
    setting.post.reset();
    const std::string name = setting.name();
    if (const auto found = kept_.find(name); found != kept_.end()) return found->second;
    return kept_[name] = encoder_.encode(texts_, setting, prompt_);
  }

 private:
  const CachedEncoder& encoder_;
  const std::vector<std::string>& texts_;
  std::string prompt_;
  std::map<std::string, CachedVectors> kept_;
};

class RetrievalTask : public SweepTask {
 public:
  RetrievalTask(RetrievalData data, const CachedEncoder& encoder, SweepSide side, SweepPrompts prompts,
                const HeldOutOptions& folds)
      : data_(std::move(data)),
        side_(side),
        options_(folds),
        documents_(encoder, data_.documents, std::move(prompts.document)),
        queries_(encoder, data_.queries, std::move(prompts.query)) {}

  std::string metric_name() const override { return reranks() ? "MAP" : "nDCG@10"; }
  std::size_t items() const override { return data_.queries.size(); }
  const std::vector<std::int64_t>& lengths() const override { return lengths_; }
  bool ranks() const override { return true; }

  void add(const SweepSetting& setting) override {
    const CachedVectors documents = documents_.encode(setting, side_ != SweepSide::query);
    const CachedVectors queries = queries_.encode(setting, side_ != SweepSide::document);
    if (rankings_.empty()) note_lengths(documents);
    Scores scores(data_.queries.size());
    std::vector<std::size_t> all(data_.queries.size());
    std::iota(all.begin(), all.end(), 0);
    if (!setting.post) {
      score(documents, queries, all, scores);
    } else {
      // A corpus belongs to no fold, so all of it is fitted on. Leaving out what a fold's queries look for would tell
      // the labels: what was not fitted on looks different afterwards. Candidates of one query belong to its fold,
      // whole.
      const std::vector<std::vector<std::size_t>> one = {all};
      for (const auto& fold : reranks() ? deal_folds(items(), options_) : one) {
        const PostTransform transform = fit(*setting.post, documents, fold);
        score(applied(transform, documents), applied(transform, queries), fold, scores);
      }
    }
    rankings_.push_back(std::move(scores.rankings));
    metrics_.push_back(std::move(scores.metrics));
  }

  double metric(std::size_t setting, std::span<const std::size_t> items) const override {
    return mean(items, [&](std::size_t item) {
      const Judged& judged = metrics_[setting][item];
      return reranks() ? judged.whole.average_precision : judged.cut.ndcg;
    });
  }

  std::vector<std::pair<std::string, double>> other_metrics(std::size_t setting) const override {
    std::vector<std::size_t> all(items());
    std::iota(all.begin(), all.end(), 0);
    const auto& m = metrics_[setting];
    const auto of = [&](const auto& field) { return mean(all, [&](std::size_t i) { return field(m[i].cut); }); };
    const double reciprocal = of([](const RankingMetrics& x) { return x.reciprocal_rank; });
    if (reranks()) return {{"nDCG@10", of([](const RankingMetrics& x) { return x.ndcg; })}, {"MRR@10", reciprocal}};
    return {{"recall@10", of([](const RankingMetrics& x) { return x.recall; })},
            {"MAP@10", of([](const RankingMetrics& x) { return x.average_precision; })},
            {"MRR@10", reciprocal}};
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
  struct Judged {
    RankingMetrics cut;    ///< at 10
    RankingMetrics whole;  ///< of all candidates, when reranking
  };
  struct Scores {
    explicit Scores(std::size_t count) : rankings(count), metrics(count) {}
    std::vector<std::vector<std::int64_t>> rankings;  ///< the first 10
    std::vector<Judged> metrics;
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
    std::vector<std::size_t> rest;
    for (std::size_t d = 0; d < held.size(); ++d) {
      if (!held[d]) rest.push_back(d);
    }
    const CachedVectors chosen = rows_of(documents, rest);
    PostFitter fitter(documents.dim);
    fitter.add(chosen.values, chosen.tokens);
    return fitter.fit(spec, {});
  }

  /// The queries' rankings.
  void score(CachedVectors documents, CachedVectors queries, std::span<const std::size_t> chosen,
             Scores& result) const {
    normalize(documents);
    normalize(queries);
    const auto dim = static_cast<std::size_t>(documents.dim);
    std::vector<std::int64_t> everything(data_.documents.size());
    std::iota(everything.begin(), everything.end(), 0);
    std::vector<float> scores;
    std::vector<std::string> ids;
    for (const std::size_t query : chosen) {
      const auto& candidates = reranks() ? data_.candidates[query] : everything;
      const float* vector = queries.values.data() + query * dim;
      scores.clear();
      for (const std::int64_t d : candidates) {
        scores.push_back(dot(vector, documents.values.data() + static_cast<std::size_t>(d) * dim, dim));
      }
      if (reranks()) {
        ids.clear();
        for (const std::int64_t d : candidates) ids.push_back(data_.document_ids[static_cast<std::size_t>(d)]);
      }
      const auto count = static_cast<std::int64_t>(candidates.size());
      auto ranking = rank(scores, reranks() ? ids : data_.document_ids, reranks() ? count : kCut);
      for (std::int64_t& place : ranking) place = candidates[static_cast<std::size_t>(place)];
      result.metrics[query] = {judge(ranking, data_.relevant[query], kCut),
                               judge(ranking, data_.relevant[query], count)};
      ranking.resize(std::min<std::size_t>(ranking.size(), kCut));
      result.rankings[query] = std::move(ranking);
    }
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
  SweepSide side_;
  HeldOutOptions options_;
  Untempered documents_;
  Untempered queries_;
  std::vector<std::int64_t> lengths_;
  std::vector<std::vector<std::vector<std::int64_t>>> rankings_;  ///< [setting][query][place]
  std::vector<std::vector<Judged>> metrics_;                      ///< [setting][query]
};

class PairTask : public SweepTask {
 public:
  PairTask(PairData data, const CachedEncoder& encoder, const HeldOutOptions& folds)
      : data_(std::move(data)), options_(folds), first_(encoder, data_.first, ""), second_(encoder, data_.second, "") {
    graded_ = std::any_of(data_.scores.begin(), data_.scores.end(), [](double s) { return s != 0 && s != 1; });
  }

  std::string metric_name() const override { return graded_ ? "Spearman" : "average precision"; }
  std::size_t items() const override { return data_.scores.size(); }
  const std::vector<std::int64_t>& lengths() const override { return lengths_; }
  bool ranks() const override { return false; }

  void add(const SweepSetting& setting) override {
    const CachedVectors first = first_.encode(setting, true);
    const CachedVectors second = second_.encode(setting, true);
    if (lengths_.empty()) {
      for (std::size_t i = 0; i < items(); ++i) lengths_.push_back(std::max(first.tokens[i], second.tokens[i]));
    }
    std::vector<double> cosines(items());
    if (!setting.post) {
      std::vector<std::size_t> all(items());
      std::iota(all.begin(), all.end(), 0);
      score(first, second, all, cosines);
    } else {
      for (const auto& fold : deal_folds(items(), options_)) {
        const PostTransform transform = fit(*setting.post, first, second, fold);
        score(applied(transform, first), applied(transform, second), fold, cosines);
      }
    }
    cosines_.push_back(std::move(cosines));
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
  PostTransform fit(const PostSpec& spec, const CachedVectors& first, const CachedVectors& second,
                    std::span<const std::size_t> fold) const {
    std::vector<bool> held(items());
    for (const std::size_t item : fold) held[item] = true;
    std::vector<std::size_t> rest;
    for (std::size_t item = 0; item < held.size(); ++item) {
      if (!held[item]) rest.push_back(item);
    }
    PostFitter fitter(first.dim);
    for (const CachedVectors* side : {&first, &second}) {
      const CachedVectors chosen = rows_of(*side, rest);
      fitter.add(chosen.values, chosen.tokens);
    }
    return fitter.fit(spec, {});
  }

  static void score(CachedVectors first, CachedVectors second, std::span<const std::size_t> chosen,
                    std::vector<double>& cosines) {
    normalize(first);
    normalize(second);
    const auto dim = static_cast<std::size_t>(first.dim);
    for (const std::size_t i : chosen) {
      cosines[i] = dot(first.values.data() + i * dim, second.values.data() + i * dim, dim);
    }
  }

  PairData data_;
  HeldOutOptions options_;
  Untempered first_;
  Untempered second_;
  bool graded_ = false;
  std::vector<std::int64_t> lengths_;
  std::vector<std::vector<double>> cosines_;  ///< [setting][pair]
};

}  // namespace

std::string SweepSetting::name() const {
  std::string name = temperature.is_identity() ? "" : temperature.to_string();
  const auto add = [&name](const std::string& part) { name += (name.empty() ? "" : " + ") + part; };
  if (!variant_name.empty()) add(variant_name);
  if (chunks) add(chunks->to_string());
  if (post) add(post->to_string());
  return name.empty() ? temperature.to_string() : name;
}

std::string CachedEncoder::settings_of(const SweepSetting& setting, const EncodeOptions& options) const {
  const SentenceEncoder& encoder = *encoders_[setting.variant];
  const ModelInfo& model = encoder.info();
  const Json json = {encoder.weights_sha256(),
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
                     static_cast<int>(options.truncation.value_or(model.truncation)),
                     options.dimensions ? Json(*options.dimensions) : Json(),
                     setting.chunks ? Json(setting.chunks->to_string()) : Json()};
  return dump(json, -1);
}

CachedVectors CachedEncoder::encode_lot(std::span<const std::string_view> texts, const SweepSetting& setting,
                                        const EncodeOptions& options) const {
  const std::string key = VectorCache::key(settings_of(setting, options), texts);
  if (auto found = cache_.find(key, texts.size())) return std::move(*found);
  const SentenceEncoder& encoder = *encoders_[setting.variant];
  Embeddings embeddings =
      setting.chunks ? encode_chunked(encoder, texts, options, *setting.chunks) : encoder.encode(texts, options);
  CachedVectors vectors{embeddings.dim, std::move(embeddings.values), {}};
  for (const TokenCount& count : embeddings.token_counts) vectors.tokens.push_back(count.used);
  cache_.keep(key, vectors);
  return vectors;
}

CachedVectors CachedEncoder::encode(std::span<const std::string> texts, const SweepSetting& setting,
                                    const std::string& prompt_name) const {
  EncodeOptions options = options_;
  options.temperature = setting.temperature;
  if (!prompt_name.empty()) options.prompt_name = prompt_name;
  CachedVectors all;
  const auto all_views = views(texts);
  for (std::size_t begin = 0; begin < all_views.size(); begin += kLotTexts) {
    const auto lot = std::span(all_views).subspan(begin, std::min(kLotTexts, all_views.size() - begin));
    CachedVectors vectors = encode_lot(lot, setting, options);
    all.dim = vectors.dim;
    all.values.insert(all.values.end(), vectors.values.begin(), vectors.values.end());
    all.tokens.insert(all.tokens.end(), vectors.tokens.begin(), vectors.tokens.end());
    if (progress_) progress_(lot.size());
  }
  return all;
}

std::unique_ptr<SweepTask> make_retrieval_task(RetrievalData data, const CachedEncoder& encoder, SweepSide side,
                                               SweepPrompts prompts, const HeldOutOptions& folds) {
  return std::make_unique<RetrievalTask>(std::move(data), encoder, side, std::move(prompts), folds);
}

std::unique_ptr<SweepTask> make_pair_task(PairData data, const CachedEncoder& encoder, const HeldOutOptions& folds) {
  return std::make_unique<PairTask>(std::move(data), encoder, folds);
}

}  // namespace treble::cli
