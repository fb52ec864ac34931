// Pairs of texts in, scores out: cross-encoders.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "treble/export.h"
#include "treble/options.h"
#include "treble/sentence_encoder.h"

namespace treble {

/// What is made of a pair's logits.
enum class ScoreActivation {
  identity,  ///< nothing: the raw logits
  sigmoid,   ///< 1 / (1 + e^−x), of each
  softmax,   ///< over the labels
  tanh,      ///< of each
};
/// "identity", "sigmoid", "softmax", "tanh".
TREBLE_API std::string to_string(ScoreActivation activation);

/// In place; `logits` [count, num_labels], row-major. Throws Error{invalid_argument} where num_labels does not divide
/// their number.
TREBLE_API void apply(ScoreActivation activation, std::span<float> logits, std::int64_t num_labels);

/// What a cross-encoder reads as one sequence, in this order.
struct TextPair {
  std::string_view query;
  std::string_view text;
};

/// How pairs are scored; may differ from call to call on one loaded model.
struct RerankOptions {
  /// How they are read: temperature, prompt (put before the query), truncation, max_length (of the whole pair, special
  /// tokens included), batch_tokens, progress (a step is a pair), stop. `normalize`, `dimensions` and `state` are for
  /// vectors and must be left alone. Over the limit, the longer text of a pair is cut, then both alike, each at the end
  /// or start as `truncation` says; as `longest_first` in transformers.
  EncodeOptions encode = {};
  /// Unset: the model's own (Reranker::activation).
  std::optional<ScoreActivation> activation = {};
};

/// The scores of a call, in the order of the pairs.
struct Scores {
  std::int64_t count = 0;                ///< of pairs
  std::int64_t num_labels = 0;           ///< scores of each; 1 for most rerankers
  std::vector<float> values;             ///< [count, num_labels], row-major
  std::vector<TokenCount> token_counts;  ///< [count], of both texts together

  /// The scores of pair `index`. Throws Error{invalid_argument} unless 0 ≤ index < count.
  TREBLE_API std::span<const float> row(std::int64_t index) const;
};

/// A text in a ranking.
struct RankedText {
  std::int64_t index = 0;  ///< into the texts of the call
  float score = 0;
  TokenCount tokens;  ///< of the query and the text together
};

/// A loaded cross-encoder: an encoder with a head for sequence classification, as sentence-transformers' CrossEncoder
/// loads it. Movable. All const functions may be called from any number of threads at once and share the model's
/// threads, as SentenceEncoder's.
class Reranker {
 public:
  /// Of `options`, `max_length` is of a whole pair. ComputeType::automatic asks that the logits of sample pairs keep a
  /// correlation of 0.9995 with float32's. Throws what SentenceEncoder::load throws, and Error{unsupported} for a model
  /// that gives vectors (naming what loads it), for a head that is not known, and for an activation function that is
  /// not.
  TREBLE_API static Reranker load(const ModelOptions& options);

  /// What was moved from may only be assigned to or destroyed.
  TREBLE_API Reranker(Reranker&&) noexcept;
  /// What was moved from may only be assigned to or destroyed.
  TREBLE_API Reranker& operator=(Reranker&&) noexcept;
  TREBLE_API ~Reranker();

  /// A row of scores a pair. A pair's scores depend on nothing but the pair and the options (float32: ≤ 1e-6). No pairs
  /// give count = 0. Throws what SentenceEncoder::encode throws; Error::text_index is the pair's.
  TREBLE_API Scores score(std::span<const TextPair> pairs, const RerankOptions& options = {}) const;

  /// The same of texts that stand alone, as models that classify single texts read them.
  TREBLE_API Scores score(std::span<const std::string_view> texts, const RerankOptions& options = {}) const;

  /// The texts by their score for the query, highest first; of equal scores, the first text first. Throws what `score`
  /// throws (Error::text_index is that of the text), and Error{unsupported} for a model of several labels, naming them.
  TREBLE_API std::vector<RankedText> rank(std::string_view query, std::span<const std::string_view> texts,
                                          const RerankOptions& options = {}) const;

  /// Throws what `score` would throw for these options whatever the pairs.
  TREBLE_API void validate(const RerankOptions& options) const;

  /// What each score is of, in the order of the scores: id2label of config.json.
  TREBLE_API const std::vector<std::string>& labels() const noexcept;
  /// What the model makes of its logits unless options say otherwise: as its files say, else sigmoid for one label and
  /// identity for several, as sentence-transformers.
  TREBLE_API ScoreActivation activation() const noexcept;
  /// What was loaded; ModelInfo::dim is the number of labels, ModelInfo::modules ends in the head.
  TREBLE_API const ModelInfo& info() const noexcept;

  /// The model as what turns texts into raw logits, which stand in the place of vectors: for calls that take a
  /// SentenceEncoder (tokens, fingerprint, observe, RequestQueue::submit_pairs). Lives as long as this and moves with
  /// it.
  TREBLE_API const SentenceEncoder& encoder() const noexcept;

 private:
  struct Impl;
  explicit Reranker(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

/// Whether the files of a model are a cross-encoder's, by the same rule as sentence-transformers: modules.json and
/// "CrossEncoder" in config_sentence_transformers.json, or, without modules.json, an architecture
/// …ForSequenceClassification in config.json. Throws Error{not_found, invalid_file} as SentenceEncoder::load.
TREBLE_API bool is_cross_encoder(const std::string& model);

/// As provenance_json of an encoder (treble/provenance.h), with the labels and the activation; without what is about
/// vectors alone.
TREBLE_API std::string provenance_json(const Reranker& reranker, const RerankOptions& options);

}  // namespace treble
