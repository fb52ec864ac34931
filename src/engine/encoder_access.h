// What the engine's own measurements need of a loaded model beyond the public contract.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "batch/packed_batch.h"
#include "engine/layer_vectors.h"
#include "engine/length_limit.h"
#include "engine/model_folder.h"
#include "layers/attention_observer.h"
#include "pooling/module_chain.h"
#include "pooling/sparse_head.h"
#include "tokenizer/tokenized_text.h"
#include "tokenizer/tokenizer.h"
#include "treble/error.h"
#include "treble/outputs.h"
#include "treble/reranker.h"
#include "treble/sentence_encoder.h"
#include "treble/sparse.h"
#include "treble/tokens.h"

namespace treble::internal {

class CallWatch;
class Encoder;
class PairTemplate;

/// fastest: batches and the sums within a lone one fit the number of threads; repeatable: they are the same for any.
enum class Batching { fastest, repeatable };

/// What texts are filled up with, behind their last token.
struct TokenExpansion {
  std::int64_t length = 0;  ///< tokens of a text, after that
  std::int32_t token = 0;
  bool attended = false;  ///< whether tokens attend to it
};

/// How the texts of one call are read, and what their vectors are.
struct CallPlan {
  std::string prompt;
  std::int32_t prompt_tokens = 0;
  TokenizeOptions tokenize;
  std::optional<TokenExpansion> expansion = {};
  ModuleChainOptions output;
  std::int64_t dim = 0;
  /// How many tokens that are not `padding_idx` a text may have; unset: every token counts.
  std::optional<std::int32_t> padding_idx = {};
  std::int64_t max_counted = 0;
  /// Of rerankers: how pairs are read, if not as the tokenizer lays them out; and the tokens left out at a pair's end
  /// (HeadConfig::padding).
  const PairTemplate* chat = nullptr;
  std::optional<std::int32_t> left_out_at_end = {};
};

/// Where the vector of a sequence goes.
struct VectorTarget {
  ModuleChainOptions options;
  std::span<float> vector;  ///< [output_dim(options)]
};

/// A batch whose sequences may come from different calls.
struct BatchCall {
  const PackedBatch& batch;
  /// Its tokens in other sequences, which get a vector each in place of the batch's; null: the batch's.
  const PackedBatch* pooled = nullptr;
  /// One a sequence, or one for all.
  std::span<const Temperature> temperatures;
  bool temper_position_bias = true;
  std::span<const StateControl> state_controls;  ///< likewise
  std::span<const VectorTarget> targets;         ///< [num_sequences] of what is pooled
  /// Heard between the segments of a text that is read in some; null: nobody stops it.
  const CallWatch* watch = nullptr;
};

/// Vectors of parts of texts.
struct SpanEmbeddings {
  Embeddings embeddings;          ///< a row a span, in the order of the texts; token_counts are of the texts
  std::vector<std::size_t> ends;  ///< [texts]: the spans of text i end before this row
};

/// A text that was read by a table of weights.
struct WeighedQuery {
  TokenWeights weights;
  TokenCount tokens;
};

/// Texts whose vectors are wanted after some of the layers.
struct LayerCallTexts {
  std::span<const std::string_view> texts;
  std::span<const std::int64_t> layers;  ///< blocks before each, rising; 0: after the embeddings
  std::size_t first_row = 0;             ///< of the room: where the first text's vectors go
};

/// What is said of a text whose vector has a NaN or infinity.
Error non_finite_vector(std::int64_t text, std::int64_t tokens, const Temperature& temperature);

struct EncoderAccess {
  /// As SentenceEncoder::load; for scores, the raw logits of the model's head stand in the place of vectors.
  static SentenceEncoder load(const ModelOptions& options, ModelPurpose purpose);

  /// What was loaded for scores.
  static const ScoreSettings& score_settings(const SentenceEncoder& encoder);

  /// Pair `index` of a call. Throws what encode throws for texts.
  static TokenizedText tokenize_pair(const SentenceEncoder& encoder, const CallPlan& plan, const TextPair& pair,
                                     std::int64_t index);

  /// SentenceEncoder::encode of pairs, each read as one sequence.
  static Embeddings encode_pairs(const SentenceEncoder& encoder, std::span<const TextPair> pairs,
                                 const EncodeOptions& options);

  /// The checks of `encode` that need no text, and what follows from the options. Throws what encode throws for them.
  static CallPlan plan(const SentenceEncoder& encoder, const EncodeOptions& options);

  /// Text `index` of a call. Throws what encode throws for it.
  static TokenizedText tokenize(const SentenceEncoder& encoder, const CallPlan& plan, std::string_view text,
                                std::int64_t index);

  /// All texts of a call with these options. Throws what encode throws for them; a stop is heard.
  static std::vector<TokenizedText> tokenize(const SentenceEncoder& encoder, std::span<const std::string_view> texts,
                                             const EncodeOptions& options);

  /// What encode gives for texts that `tokenize` gave these ids for, with options that read them alike.
  static Embeddings encode_tokenized(const SentenceEncoder& encoder, std::span<const TokenizedText> texts,
                                     const EncodeOptions& options);

  /// As `plan`, of a call whose texts are token ids. Throws Error{invalid_argument} for a prompt too.
  static CallPlan plan_token_ids(const SentenceEncoder& encoder, const EncodeOptions& options);

  /// List `index` of such a call, cut to the limit. Throws what encode_token_ids throws for it.
  static TokenizedText take_token_ids(const SentenceEncoder& encoder, const CallPlan& plan,
                                      std::span<const std::int32_t> ids, std::int64_t index);

  /// See treble/tokens.h.
  static Embeddings encode_token_ids(const SentenceEncoder& encoder, std::span<const TokenIds> lists,
                                     const EncodeOptions& options);

  /// See treble/tokens.h.
  static std::vector<std::vector<Token>> tokenize_whole(const SentenceEncoder& encoder,
                                                        std::span<const std::string_view> texts,
                                                        const TokenizationOptions& options);
  static std::string decode(const SentenceEncoder& encoder, std::span<const std::int32_t> ids,
                            bool skip_special_tokens);

  /// Query `index` of a call, of a model that reads them by a table, behind its prompt. Throws what encode throws for
  /// texts.
  static WeighedQuery read_query(const SentenceEncoder& encoder, const CallPlan& plan, std::string_view text,
                                 std::int64_t index, const EncodeOptions& options);

  /// As encode_batch, of a model with a sparse output: the weights of each sequence, which may have a NaN. The targets
  /// of the call mean nothing.
  static std::vector<TokenWeights> weigh_batch(const SentenceEncoder& encoder, const BatchCall& call, bool all_threads);

  /// Waits for one of the model's threads to be free and carries the batch through the model on this one, with those
  /// that have nothing to do where `all_threads`. Returns the sequences whose vectors are not finite; the others' are
  /// as encode gives them. Throws what encode throws for tokens.
  static std::vector<std::int64_t> encode_batch(const SentenceEncoder& encoder, const BatchCall& call,
                                                bool all_threads);

  /// SentenceEncoder::encode in batches and sums that are the same, bit for bit, for every number of threads; a little
  /// slower.
  static Embeddings encode_repeatably(const SentenceEncoder& encoder, std::span<const std::string_view> texts,
                                      const EncodeOptions& options);

  /// See treble/outputs.h; repeatable: as of encode_repeatably.
  static Outputs encode_outputs(const SentenceEncoder& encoder, std::span<const std::string_view> texts,
                                std::span<const OutputKind> kinds, const OutputOptions& options, Batching batching);

  /// Late chunking (arXiv 2409.04701): every text is read whole, and its tokens are pooled in spans of about equal
  /// length, of `max_tokens` at most. A text of one span has the vector of encode. Throws what encode throws, and
  /// Error{unsupported} for a model that pools a single token.
  static SpanEmbeddings encode_spans(const SentenceEncoder& encoder, std::span<const std::string_view> texts,
                                     const EncodeOptions& options, std::int64_t max_tokens);

  /// For `texts` texts and `layers` layers.
  static LayerVectors room_for_layers(const SentenceEncoder& encoder, const EncodeOptions& options, std::size_t texts,
                                      std::size_t layers);

  /// Writes the texts' vectors to their rows: of each layer the hidden states, pooled as the model pools but without
  /// the modules that follow; and the final vectors. The same, bit for bit, for every number of threads. Throws what
  /// encode throws.
  static void encode_layers(const SentenceEncoder& encoder, const LayerCallTexts& call, const EncodeOptions& options,
                            LayerVectors& out);

  /// Runs the encoder on each text alone, in order and on this thread, with the observer looking on; nothing is pooled.
  /// The same, bit for bit, for every number of threads. Returns the tokens of each text.
  static std::vector<TokenCount> observe(const SentenceEncoder& encoder, std::span<const std::string_view> texts,
                                         const EncodeOptions& options, AttentionObserver& observer);

  /// The same for texts that are tokenized already.
  static void observe(const SentenceEncoder& encoder, std::span<const TokenizedText> texts,
                      const EncodeOptions& options, AttentionObserver& observer);

  /// Has states: StateControl acts on it, and observe_states shows them.
  static bool is_recurrent(const SentenceEncoder& encoder);

  /// The limit that the model's files state, whatever it was loaded for; nothing where they state none.
  static std::optional<StatedLimit> stated_limit(const SentenceEncoder& encoder);

  /// As `observe`, of recurrent models alone: in segments, so that memory does not grow with the texts, and several
  /// texts at a time, each on one thread with an observer of its own, observers[text]. Hidden states are shown a
  /// segment at a time.
  static void observe_states(const SentenceEncoder& encoder, std::span<const TokenizedText> texts,
                             const EncodeOptions& options, std::span<AttentionObserver* const> observers);

  /// For the engine's own classes.
  static const Encoder& encoder(const SentenceEncoder& encoder);
  static SentenceEncoder::Impl& implementation(const SentenceEncoder& encoder);

  /// A loop on the model's threads.
  static void parallel_for(const SentenceEncoder& encoder, std::int64_t count,
                           const std::function<void(std::int64_t)>& body);

 private:
  static SentenceEncoder load_fastest(ModelOptions options, ModelPurpose purpose);
};

}  // namespace treble::internal
