// A request in the queue, and the two steps that its texts go through.
#pragma once

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
#include <vector>

#include "engine/encoder_access.h"
#include "tokenizer/tokenized_text.h"
#include "treble/request_queue.h"

namespace treble::internal {

struct QueuedRequest {
  using Clock = std::chrono::steady_clock;

  std::vector<std::string> texts;
  EncodeOptions options;
  std::optional<Clock::time_point> deadline;
  RequestQueue::Callback callback;
  Clock::time_point accepted;
  std::optional<std::stop_callback<std::function<void()>>> on_stop;

  /// Made by whoever tokenizes its first texts; then each text is written by the one who has it.
  CallPlan plan;
  std::vector<TokenizedText> tokenized;
  Embeddings result;

  // Under the mutex of the queue.
  std::uint64_t id = 0;  ///< from 1; 0 until it is accepted
  std::size_t num_tokenized = 0;
  std::int64_t waiting_texts = 0;     ///< that no batch has
  std::int64_t waiting_tokens = 0;    ///< theirs
  std::int64_t unfinished_texts = 0;  ///< that no batch is finished with
  bool cancelled = false;
  bool answered = false;
};

/// Tokens of a text that has not been tokenized, for the limits of the queue.
std::int64_t estimate_tokens(const std::string& text, std::int64_t max_length);

/// Texts [begin, end) of the request; with begin = 0 its plan and room for its results first. Throws what encode
/// throws.
void tokenize_texts(const SentenceEncoder& encoder, QueuedRequest& request, std::size_t begin, std::size_t end);

/// A text on its way through the model.
struct BatchItem {
  std::shared_ptr<QueuedRequest> request;
  std::int64_t text = 0;
  TokenizedText tokens;
  std::optional<Error> error;
};

/// Carries the texts through the model as one batch, into their requests' results. Never throws: an error is noted with
/// the texts that have it, for which others are not to blame.
void encode_items(const SentenceEncoder& encoder, std::span<BatchItem> items, bool all_threads) noexcept;

/// Any exception as one that may leave the library.
Error as_error(const std::exception_ptr& exception);

}  // namespace treble::internal
