// One model for many callers: requests of any size, each with options of its own, put together into common batches.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <future>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "treble/error.h"
#include "treble/export.h"
#include "treble/options.h"
#include "treble/output_options.h"
#include "treble/sentence_encoder.h"
#include "treble/sparse.h"
#include "treble/tokens.h"

namespace treble {

/// How much may wait, and how it is shared out.
struct RequestQueueOptions {
  /// Texts that may wait, running ones not counted. A request that does not fit is refused with Error{overloaded}, one
  /// of more texts than this with Error{invalid_argument}.
  std::int64_t max_texts = 4096;
  /// Tokens that may wait; a text that has not been tokenized yet counts as one token for four bytes. A request that
  /// does not fit is refused with Error{overloaded}, unless nothing else waits.
  std::int64_t max_tokens = 131072;
  /// Tokens of a batch, which one thread carries through the model; a longer text runs alone. 0 chooses.
  std::int64_t batch_tokens = 0;
  /// The fairness bound: a text is overtaken by at most this many times the tokens of its request up to and including
  /// it. Larger: short texts wait less behind long ones. 1: texts run nearly in the order of their arrival.
  std::int64_t overtaking = 32;
  /// Threads that tokenize beside the encoder. 0 chooses: a quarter of the model's threads, at least 2, so that one
  /// huge text does not hold up the others.
  int tokenizer_threads = 0;
};

/// A pair that a request keeps until it is answered (TextPair, treble/reranker.h).
struct OwnedTextPair {
  std::string query;
  std::string text;
};

/// What a caller may ask for beside EncodeOptions.
struct SubmitOptions {
  /// A request that has texts waiting when this passes is answered with Error{deadline_exceeded}; they do not run. Once
  /// the last text runs, the vectors are delivered even if they are late. Unset: none.
  std::optional<std::chrono::steady_clock::time_point> deadline = {};
  /// Stopping it answers the request with Error{cancelled} while texts of it wait; they do not run.
  std::stop_token stop = {};
};

/// Where the time of a request went, from `submit` until its answer. Of a request with several texts, some may be
/// tokenized while others are computed, so the sum may exceed the whole.
struct RequestTiming {
  double tokenization_seconds = 0;  ///< while a text of it was tokenized
  double wait_seconds = 0;          ///< while none of it was tokenized or in a batch that ran
  double compute_seconds = 0;       ///< while at least one text of it was in a batch that ran
};

/// Either vectors or an error.
struct Answer {
  Embeddings embeddings;       ///< as SentenceEncoder::encode returns them; empty where there is an error
  std::optional<Error> error;  ///< unset: the vectors are there
  RequestTiming timing;        ///< up to the error, where there is one
  /// Of submit_sparse, as encode_sparse returns them, in the place of `embeddings`; unset where there is an error.
  std::optional<SparseVectors> sparse = {};
};

/// How often a measure fell where.
struct Histogram {
  std::vector<double> upper_bounds;   ///< rising, inclusive
  std::vector<std::uint64_t> counts;  ///< [upper_bounds.size() + 1]: of each bucket alone; the last one is unbounded
  std::uint64_t count = 0;            ///< of all buckets together
  double sum = 0;                     ///< of all measures
};

/// A snapshot. Counters only grow from the construction of the queue on; a request is counted in exactly one of
/// `completed`, `failed`, `cancelled`, `expired`, `shut_down` when it is answered.
struct QueueStatistics {
  // Now.
  std::int64_t open_requests = 0;    ///< accepted and not yet answered
  std::int64_t waiting_texts = 0;    ///< as counted for max_texts
  std::int64_t waiting_tokens = 0;   ///< as counted for max_tokens
  std::int64_t running_batches = 0;  ///< at most as many as the model has threads
  // Requests.
  std::uint64_t accepted = 0;    ///< by `submit`
  std::uint64_t overloaded = 0;  ///< refused because the queue was full; not accepted
  std::uint64_t completed = 0;   ///< answered with vectors
  std::uint64_t failed = 0;      ///< answered with another error than the following
  std::uint64_t cancelled = 0;   ///< by SubmitOptions::stop
  std::uint64_t expired = 0;     ///< deadline_exceeded
  std::uint64_t shut_down = 0;   ///< answered with `unavailable`
  // Work; as many batches ran as batch_tokens.count says.
  std::uint64_t encoded_texts = 0;   ///< that the model read
  std::uint64_t encoded_tokens = 0;  ///< of them
  Histogram batch_tokens;            ///< tokens of a batch
  Histogram batch_texts;             ///< texts of a batch
  Histogram wait_seconds;            ///< of a text, from `submit` until its batch begins
  Histogram total_seconds;           ///< of a completed request, from `submit` until its vectors are there
};

/// Puts the texts of many requests into common batches, whatever their temperatures, prompts, limits and other options,
/// and keeps all threads of the model busy with them. Tokenizing runs beside the encoder. Short texts overtake long
/// ones, and small requests large ones, within the fairness bound (RequestQueueOptions::overtaking): a text of L tokens
/// that enters d tokens after a large request or a long text waits for about d / overtaking + L tokens of it at most,
/// beside what is running; and what is long or large is never starved.
///
/// A text's vector is that of SentenceEncoder::encode: bit for bit in int8, otherwise within 1e-6. The errors of one
/// text fail its own request, with the code and message that `encode` would give, and never another request. Vectors of
/// a request with an error are not delivered.
///
/// Threads: all functions but the destructor may be called from any number of threads at once. The queue has threads of
/// its own: as many as the model to encode, tokenizer_threads, and one for deadlines and cancellations; with nothing to
/// do they sleep. `encode` may be called on the same model meanwhile; it shares the model's threads with the queue.
class RequestQueue {
 public:
  /// Called exactly once for an accepted request, on a thread of the queue, which it holds up. It may submit, but must
  /// not call `drain` or `shutdown` or destroy the queue, and must not throw (what it throws is dropped).
  using Callback = std::function<void(Answer)>;

  /// The encoder must outlive the queue and must not be moved meanwhile. Throws Error{invalid_argument} for options out
  /// of range.
  TREBLE_API explicit RequestQueue(const SentenceEncoder& encoder, const RequestQueueOptions& options = {});
  /// As `shutdown`.
  TREBLE_API ~RequestQueue();
  RequestQueue(const RequestQueue&) = delete;
  RequestQueue& operator=(const RequestQueue&) = delete;

  /// Accepts a request or throws at once: Error{overloaded} when the queue is full, Error{unavailable} after `drain` or
  /// `shutdown`, Error{invalid_argument} for more texts than max_texts. All other errors, of options too, come through
  /// the future. EncodeOptions::batch_tokens is not used: batches are the queue's. No texts give count = 0.
  TREBLE_API std::future<Embeddings> submit(std::vector<std::string> texts, const EncodeOptions& options = {},
                                            const SubmitOptions& submit_options = {});
  /// The same with a callback, which is not called when this throws.
  TREBLE_API void submit(std::vector<std::string> texts, const EncodeOptions& options,
                         const SubmitOptions& submit_options, Callback callback);

  /// As `submit`, for texts that are token ids already, read as encode_token_ids (treble/tokens.h) reads them.
  TREBLE_API std::future<Embeddings> submit_token_ids(std::vector<TokenIds> lists, const EncodeOptions& options = {},
                                                      const SubmitOptions& submit_options = {});
  /// The same with a callback, which is not called when this throws.
  TREBLE_API void submit_token_ids(std::vector<TokenIds> lists, const EncodeOptions& options,
                                   const SubmitOptions& submit_options, Callback callback);

  /// As `submit`, of pairs that Reranker::encoder() reads: the raw logits of each, [pairs, labels], stand in the place
  /// of vectors (apply, treble/reranker.h, makes scores of them). Any other encoder reads a pair as its tokenizer lays
  /// it out.
  TREBLE_API std::future<Embeddings> submit_pairs(std::vector<OwnedTextPair> pairs, const EncodeOptions& options = {},
                                                  const SubmitOptions& submit_options = {});
  /// The same with a callback, which is not called when this throws.
  TREBLE_API void submit_pairs(std::vector<OwnedTextPair> pairs, const EncodeOptions& options,
                               const SubmitOptions& submit_options, Callback callback);

  /// As `submit`, for sparse vectors (encode_sparse, treble/sparse.h): Answer::sparse holds them. They share batches
  /// with other sparse requests, not with dense ones; texts that the model reads by a table of weights pass no batch at
  /// all.
  TREBLE_API std::future<SparseVectors> submit_sparse(std::vector<std::string> texts, const OutputOptions& options = {},
                                                      const SubmitOptions& submit_options = {});
  /// The same with a callback, which is not called when this throws.
  TREBLE_API void submit_sparse(std::vector<std::string> texts, const OutputOptions& options,
                                const SubmitOptions& submit_options, Callback callback);

  /// Refuses new requests and returns when all accepted ones have been answered.
  TREBLE_API void drain();

  /// Refuses new requests, answers those with texts waiting with Error{unavailable}, and returns when all have been
  /// answered; batches that run are finished.
  TREBLE_API void shutdown();

  /// As it is now; may be called at any time.
  TREBLE_API QueueStatistics statistics() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace treble
