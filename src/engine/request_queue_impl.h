// What is behind a RequestQueue: its state, and the work of its threads.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <unordered_map>
#include <utility>
#include <vector>

#include "engine/queued_request.h"
#include "engine/request_scheduler.h"
#include "treble/request_queue.h"

namespace treble {

using namespace internal;

struct RequestQueue::Impl {
  using Clock = QueuedRequest::Clock;
  using RequestPtr = std::shared_ptr<QueuedRequest>;
  /// Requests that have an answer, which is delivered without the mutex.
  using Settled = std::vector<std::pair<RequestPtr, Answer>>;

  Impl(const SentenceEncoder& encoder_in, const RequestQueueOptions& options_in);
  ~Impl();
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;

  void submit(RequestItems items, const EncodeOptions& encode_options, const SubmitOptions& submit_options,
              Callback callback, std::optional<SparseRequest> sparse = {});
  void submit(const RequestPtr& request);
  void accept(const RequestPtr& request);
  void refuse_where_full(const QueuedRequest& request);
  void cancel(QueuedRequest& request);
  void drain();
  void shutdown();
  void wait_until_answered(std::unique_lock<std::mutex>& lock);
  void join();

  void run_tokenizer();
  void enter_texts(const RequestPtr& request, std::size_t end, Settled& settled);
  void run_batches();
  std::vector<BatchItem> start_batch(Settled& settled);
  bool settle_stopped(const RequestPtr& request, Clock::time_point now, Settled& settled);
  BatchItem start_text(const RequestPtr& request, const ScheduledText& text, Clock::time_point now);
  void finish_batch(const std::vector<BatchItem>& batch, Settled& settled);
  void watch_deadlines();
  void settle(const RequestPtr& request, std::optional<Error> error, Settled& settled);
  void deliver(Settled& settled);

  std::int64_t estimate(const QueuedRequest& request, std::size_t text) const {
    return estimate_tokens(request.items, text, request.options.max_length.value_or(encoder.info().max_length));
  }

  const SentenceEncoder& encoder;
  const RequestQueueOptions options;  ///< with nothing left to choose

  /// Guards everything below, and of requests what they say.
  std::mutex mutex;
  std::condition_variable texts_ready;
  std::condition_variable batch_ready;
  std::condition_variable watch;
  std::condition_variable all_answered;
  bool closed = false;   ///< no new requests
  bool stopped = false;  ///< nothing is left to do, for ever
  std::uint64_t last_id = 0;
  std::unordered_map<std::uint64_t, RequestPtr> open;
  std::deque<RequestPtr> to_tokenize;
  RequestScheduler scheduler;
  /// Of requests with texts waiting.
  std::set<std::pair<Clock::time_point, std::uint64_t>> deadlines;
  std::vector<std::uint64_t> cancelled;
  std::size_t undelivered = 0;
  std::int64_t idle_runners = 0;
  QueueStatistics statistics;
  std::vector<std::thread> threads;
};

}  // namespace treble
