// A request in the queue, and the two steps that its texts go through.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <variant>
#include <vector>

#include "engine/encoder_access.h"
#include "pooling/sparse_head.h"
#include "tokenizer/tokenized_text.h"
#include "treble/request_queue.h"
#include "treble/tokens.h"

namespace treble::internal {

/// What a request is to be encoded: texts, lists of token ids, or pairs of texts.
using RequestItems = std::variant<std::vector<std::string>, std::vector<TokenIds>, std::vector<OwnedTextPair>>;

std::size_t num_items(const RequestItems& items);
std::size_t item_bytes(const RequestItems& items, std::size_t index);

/// Measures RequestTiming: whoever has a text of the request says when it begins and ends.
class RequestWatch {
 public:
  using Clock = std::chrono::steady_clock;
  enum class Stage { tokenization, compute };

  void accept(Clock::time_point now) { accepted_ = changed_ = now; }
  Clock::time_point accepted() const { return accepted_; }
  void begin(Stage stage, Clock::time_point now);
  void end(Stage stage, Clock::time_point now);
  RequestTiming timing(Clock::time_point now);

 private:
  void advance(Clock::time_point now);

  Clock::time_point accepted_;
  Clock::time_point changed_;
  std::array<int, 2> running_ = {};  ///< texts of each stage, or turns
  RequestTiming timing_;             ///< up to changed_
};

/// What a request for sparse vectors has beside others.
struct SparseRequest {
  OutputOptions options;

  // Made with the plan.
  bool by_table = false;                        ///< read without the layers
  std::optional<std::int64_t> max_active_dims;  ///< weights kept of a text
  std::int64_t dim = 0;
  std::vector<TokenWeights> rows;  ///< [text], each written by who has the text
};

struct QueuedRequest {
  using Clock = RequestWatch::Clock;

  std::size_t size() const { return num_items(items); }

  RequestItems items;
  EncodeOptions options;
  std::optional<SparseRequest> sparse;  ///< unset: dense vectors are wanted
  std::optional<Clock::time_point> deadline;
  RequestQueue::Callback callback;
  std::optional<std::stop_callback<std::function<void()>>> on_stop;

  /// Made by whoever tokenizes its first texts; then each text is written by the one who has it.
  CallPlan plan;
  std::vector<TokenizedText> tokenized;
  Embeddings result;

  // Under the mutex of the queue.
  RequestWatch watch;
  std::uint64_t id = 0;  ///< from 1; 0 until it is accepted
  std::size_t num_tokenized = 0;
  std::int64_t waiting_texts = 0;     ///< that no batch has
  std::int64_t waiting_tokens = 0;    ///< theirs
  std::int64_t unfinished_texts = 0;  ///< that no batch is finished with
  bool cancelled = false;
  bool answered = false;
};

/// Tokens of text `index` before it is tokenized, for the limits of the queue.
std::int64_t estimate_tokens(const RequestItems& items, std::size_t index, std::int64_t max_length);

/// Texts [begin, end) of the request, which may be token ids already; with begin = 0 its plan and room for its results
/// first. Throws what encode throws.
void tokenize_texts(const SentenceEncoder& encoder, QueuedRequest& request, std::size_t begin, std::size_t end);

/// The sparse vectors of a request whose texts are all done.
SparseVectors take_sparse(QueuedRequest& request);

/// A text on its way through the model.
struct BatchItem {
  std::shared_ptr<QueuedRequest> request;
  std::int64_t text = 0;
  TokenizedText tokens;
  std::optional<Error> error;
};

/// Carries the texts, which all want the same kind of vectors, through the model as one batch, into their requests'
/// results. Never throws: an error is noted with
/// the texts that have it, for which others are not to blame.
void encode_items(const SentenceEncoder& encoder, std::span<BatchItem> items, bool all_threads) noexcept;

/// Any exception as one that may leave the library.
Error as_error(const std::exception_ptr& exception);

}  // namespace treble::internal
