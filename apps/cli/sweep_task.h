// Labelled data under many settings: vectors, scores, metrics. What `treble sweep` is made of.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "evaluation/datasets.h"
#include "evaluation/held_out.h"
#include "evaluation/metrics.h"
#include "evaluation/similarity.h"
#include "evaluation/vector_cache.h"
#include "treble/chunking.h"
#include "treble/post_transform.h"
#include "treble/sentence_encoder.h"

namespace treble::cli {

/// One way to encode.
struct SweepSetting {
  Temperature temperature = {};
  /// A step behind the model, fitted without labels.
  std::optional<PostSpec> post = {};
  /// Texts in pieces.
  std::optional<ChunkOptions> chunks = {};
  /// Another form of the model: which encoder, and what it is called ("" for the first).
  std::size_t variant = 0;
  std::string variant_name = {};

  /// Joins what differs from the untouched model.
  std::string name() const;
};

/// What stands before some texts: a prompt of the model by name ("": none), or a text as it is. Neither: as the options
/// of the run say.
struct SweepPrompt {
  std::optional<std::string> name = {};
  std::optional<std::string> text = {};
};

/// Which texts the temperature acts on; the others stay at 1.
enum class SweepSide { both, query, document };

/// Encodes some texts at a time, each lot kept in the cache.
class CachedEncoder {
 public:
  using Progress = std::function<void(std::size_t texts)>;

  /// `encoders`: forms of one model, the first the one that others are held against; none null, all outliving this.
  CachedEncoder(std::vector<const SentenceEncoder*> encoders, EncodeOptions options, VectorCache cache,
                Progress progress)
      : encoders_(std::move(encoders)),
        options_(std::move(options)),
        cache_(std::move(cache)),
        progress_(std::move(progress)) {}

  /// The setting's vectors but for its fitted step. After each lot, with its vectors kept, comes a call of the
  /// progress, which may throw.
  CachedVectors encode(std::span<const std::string> texts, const SweepSetting& setting,
                       const SweepPrompt& prompt) const;
  /// Whether vectors have length 1.
  bool normalizes() const;

 private:
  CachedVectors encode_lot(std::span<const std::string_view> texts, const SweepSetting& setting,
                           const EncodeOptions& options) const;
  std::string settings_of(const SweepSetting& setting, const EncodeOptions& options) const;

  std::vector<const SentenceEncoder*> encoders_;
  EncodeOptions options_;
  VectorCache cache_;
  Progress progress_;
};

/// What each setting gives on one data set.
class SweepTask {
 public:
  virtual ~SweepTask() = default;

  virtual std::string metric_name() const = 0;
  virtual std::size_t items() const = 0;
  /// Encodes and scores under one more setting; the first call is the untouched model. Throws Error{invalid_argument}
  /// when a step cannot be fitted on these texts, Error{invalid_file} when all scores are equal, Error{non_finite} when
  /// one overflows; the task is then as before.
  virtual void add(const SweepSetting& setting) = 0;
  /// As ItemMetric.
  virtual std::optional<double> metric(std::size_t setting, std::span<const std::size_t> items) const = 0;
  /// [item]: the tokens of what is to be found, or of the longer of a pair; −1 when what is to be found is not there.
  virtual const std::vector<std::int64_t>& lengths() const = 0;
  /// Other measures over all items, by name.
  virtual std::vector<std::pair<std::string, double>> other_metrics(std::size_t setting) const = 0;
  /// Mean share of the first 10 places that a setting shares with the untouched model over items; 1 for pairs' order is
  /// meaningless, so nothing there.
  virtual double overlap(std::size_t setting, std::span<const std::size_t> items) const = 0;
  virtual bool ranks() const = 0;
};

struct SweepPrompts {
  SweepPrompt query;
  SweepPrompt document;
};

struct SweepTaskOptions {
  std::string data = {};  ///< for messages
  SweepSide side = SweepSide::both;
  SweepPrompts prompts = {};
  Similarity similarity = Similarity::cosine;
  HeldOutOptions folds = {};  ///< those that the task will be judged with
};

/// Steps are fitted on the documents, which belong to no fold, and never on a query; when reranking, on the candidates
/// of the other folds' queries. Judged by nDCG@10; where queries have candidates (reranking) by MAP. A document of
/// `same_id` is in no ranking of its query. `encoder` must outlive the task.
std::unique_ptr<SweepTask> make_retrieval_task(RetrievalData data, const CachedEncoder& encoder,
                                               SweepTaskOptions options);
/// Graded scores are judged by Spearman's correlation with the similarities, 0/1 labels by average precision.
/// A pair's similarity under a fitted step comes from a fit on the texts of the other folds. Sides and prompts of the
/// options mean nothing here.
std::unique_ptr<SweepTask> make_pair_task(PairData data, const CachedEncoder& encoder, SweepTaskOptions options);

}  // namespace treble::cli
