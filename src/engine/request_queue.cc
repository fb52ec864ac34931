#include "treble/request_queue.h"

#include <algorithm>

#include "base/fail.h"
#include "base/required.h"
#include "engine/queue_metrics.h"
#include "engine/request_queue_impl.h"

namespace treble {

namespace {

/// As SentenceEncoder packs its own batches.
constexpr std::int64_t kQueueBatchTokens = 512;

void check_range(const char* name, std::int64_t value, std::int64_t min, std::int64_t max) {
  if (value >= min && value <= max) return;
  fail(ErrorCode::invalid_argument, "{} is {}, it must be from {} to {}", name, value, min, max);
}

RequestQueueOptions resolve(RequestQueueOptions options, int model_threads) {
  constexpr std::int64_t kMany = std::int64_t{1} << 40;
  check_range("max_texts", options.max_texts, 1, kMany);
  check_range("max_tokens", options.max_tokens, 1, kMany);
  check_range("batch_tokens", options.batch_tokens, 0, kMany);
  check_range("overtaking", options.overtaking, 1, 1 << 20);
  check_range("tokenizer_threads", options.tokenizer_threads, 0, 4096);
  if (options.batch_tokens == 0) options.batch_tokens = kQueueBatchTokens;
  if (options.tokenizer_threads == 0) options.tokenizer_threads = std::max(2, model_threads / 4);
  return options;
}

/// A callback, and the future that it answers.
template <typename Vectors>
struct Promised {
  RequestQueue::Callback callback;
  std::future<Vectors> future;
};

/// `vectors_of`: those of an answer without an error.
template <typename Vectors, typename VectorsOf>
Promised<Vectors> make_promise(const VectorsOf& vectors_of) {
  const auto promise = std::make_shared<std::promise<Vectors>>();
  const auto keep = [promise, vectors_of](Answer answer) {
    if (answer.error) {
      promise->set_exception(std::make_exception_ptr(*answer.error));
    } else {
      promise->set_value(std::move(vectors_of(answer)));
    }
  };
  return {keep, promise->get_future()};
}

Promised<Embeddings> promise_embeddings() {
  return make_promise<Embeddings>([](Answer& answer) -> Embeddings& { return answer.embeddings; });
}

}  // namespace

RequestQueue::Impl::Impl(const SentenceEncoder& encoder_in, const RequestQueueOptions& options_in)
    : encoder(encoder_in),
      options(resolve(options_in, encoder_in.info().threads)),
      scheduler(options.overtaking),
      statistics(make_queue_statistics()) {
  try {
    threads.emplace_back([this] { watch_deadlines(); });
    for (int i = 0; i < options.tokenizer_threads; ++i) threads.emplace_back([this] { run_tokenizer(); });
    for (int i = 0; i < encoder.info().threads; ++i) threads.emplace_back([this] { run_batches(); });
  } catch (...) {
    join();
    throw;
  }
}

RequestQueue::Impl::~Impl() {
  shutdown();
  join();
}

void RequestQueue::Impl::submit(RequestItems items, const EncodeOptions& encode_options,
                                const SubmitOptions& submit_options, Callback callback,
                                std::optional<SparseRequest> sparse) {
  const auto request = std::make_shared<QueuedRequest>();
  request->items = std::move(items);
  request->sparse = std::move(sparse);
  request->options = encode_options;
  request->deadline = submit_options.deadline;
  request->callback = std::move(callback);
  if (submit_options.stop.stop_possible()) {
    request->on_stop.emplace(submit_options.stop, [this, asked = request.get()] { cancel(*asked); });
  }
  submit(request);
}

void RequestQueue::Impl::submit(const RequestPtr& request) {
  const auto num_texts = static_cast<std::int64_t>(request->size());
  if (num_texts > options.max_texts) {
    fail(ErrorCode::invalid_argument, "the request has {} texts, the queue takes {} at a time; send several requests",
         num_texts, options.max_texts);
  }
  request->waiting_texts = num_texts;
  request->unfinished_texts = num_texts;
  for (std::size_t i = 0; i < request->size(); ++i) request->waiting_tokens += estimate(*request, i);
  {
    const std::scoped_lock lock(mutex);
    if (closed) fail(ErrorCode::unavailable, "the request queue is shutting down and takes no more requests");
    refuse_where_full(*request);
    accept(request);
  }
  texts_ready.notify_one();
}

void RequestQueue::Impl::refuse_where_full(const QueuedRequest& request) {
  const std::int64_t texts = statistics.waiting_texts + request.waiting_texts;
  const std::int64_t tokens = statistics.waiting_tokens + request.waiting_tokens;
  if (texts <= options.max_texts && (statistics.waiting_texts == 0 || tokens <= options.max_tokens)) return;
  ++statistics.overloaded;
  fail(ErrorCode::overloaded,
       "the request queue is full: {} texts with about {} tokens wait, {} with {} more would go beyond its {} texts or "
       "{} tokens; try again later",
       statistics.waiting_texts, statistics.waiting_tokens, request.waiting_texts, request.waiting_tokens,
       options.max_texts, options.max_tokens);
}

void RequestQueue::Impl::accept(const RequestPtr& request) {
  request->id = ++last_id;
  request->watch.accept(Clock::now());
  open.emplace(request->id, request);
  to_tokenize.push_back(request);
  ++statistics.accepted;
  statistics.waiting_texts += request->waiting_texts;
  statistics.waiting_tokens += request->waiting_tokens;
  if (request->deadline && request->waiting_texts > 0) deadlines.emplace(*request->deadline, request->id);
  // It may have been stopped before it had a number.
  if (request->cancelled) cancelled.push_back(request->id);
  if (request->deadline || request->cancelled) watch.notify_one();
}

void RequestQueue::Impl::cancel(QueuedRequest& request) {
  const std::scoped_lock lock(mutex);
  request.cancelled = true;
  if (request.id == 0) return;
  cancelled.push_back(request.id);
  watch.notify_one();
}

void RequestQueue::Impl::drain() {
  std::unique_lock lock(mutex);
  closed = true;
  wait_until_answered(lock);
}

void RequestQueue::Impl::shutdown() {
  Settled settled;
  {
    const std::scoped_lock lock(mutex);
    closed = true;
    std::vector<RequestPtr> waiting;
    for (const auto& [id, request] : open) {
      if (request->waiting_texts > 0) waiting.push_back(request);
    }
    for (const RequestPtr& request : waiting) {
      settle(request, Error(ErrorCode::unavailable, "the request queue was shut down before the request ran"), settled);
    }
  }
  deliver(settled);
  std::unique_lock lock(mutex);
  wait_until_answered(lock);
}

void RequestQueue::Impl::wait_until_answered(std::unique_lock<std::mutex>& lock) {
  all_answered.wait(lock, [&] { return open.empty() && undelivered == 0; });
}

void RequestQueue::Impl::join() {
  {
    const std::scoped_lock lock(mutex);
    stopped = true;
  }
  texts_ready.notify_all();
  batch_ready.notify_all();
  watch.notify_all();
  for (auto& thread : threads) thread.join();
}

RequestQueue::RequestQueue(const SentenceEncoder& encoder, const RequestQueueOptions& options)
    : impl_(std::make_unique<Impl>(encoder, options)) {}

RequestQueue::~RequestQueue() = default;

std::future<Embeddings> RequestQueue::submit(std::vector<std::string> texts, const EncodeOptions& options,
                                             const SubmitOptions& submit_options) {
  auto promised = promise_embeddings();
  submit(std::move(texts), options, submit_options, std::move(promised.callback));
  return std::move(promised.future);
}

void RequestQueue::submit(std::vector<std::string> texts, const EncodeOptions& options,
                          const SubmitOptions& submit_options, Callback callback) {
  impl_->submit(std::move(texts), options, submit_options, std::move(callback));
}

std::future<Embeddings> RequestQueue::submit_token_ids(std::vector<TokenIds> lists, const EncodeOptions& options,
                                                       const SubmitOptions& submit_options) {
  auto promised = promise_embeddings();
  submit_token_ids(std::move(lists), options, submit_options, std::move(promised.callback));
  return std::move(promised.future);
}

void RequestQueue::submit_token_ids(std::vector<TokenIds> lists, const EncodeOptions& options,
                                    const SubmitOptions& submit_options, Callback callback) {
  impl_->submit(std::move(lists), options, submit_options, std::move(callback));
}

std::future<Embeddings> RequestQueue::submit_pairs(std::vector<OwnedTextPair> pairs, const EncodeOptions& options,
                                                   const SubmitOptions& submit_options) {
  auto promised = promise_embeddings();
  submit_pairs(std::move(pairs), options, submit_options, std::move(promised.callback));
  return std::move(promised.future);
}

void RequestQueue::submit_pairs(std::vector<OwnedTextPair> pairs, const EncodeOptions& options,
                                const SubmitOptions& submit_options, Callback callback) {
  impl_->submit(std::move(pairs), options, submit_options, std::move(callback));
}

std::future<SparseVectors> RequestQueue::submit_sparse(std::vector<std::string> texts, const OutputOptions& options,
                                                       const SubmitOptions& submit_options) {
  auto promised = make_promise<SparseVectors>([](Answer& answer) -> SparseVectors& { return required(answer.sparse); });
  submit_sparse(std::move(texts), options, submit_options, std::move(promised.callback));
  return std::move(promised.future);
}

void RequestQueue::submit_sparse(std::vector<std::string> texts, const OutputOptions& options,
                                 const SubmitOptions& submit_options, Callback callback) {
  impl_->submit(std::move(texts), options.encode, submit_options, std::move(callback),
                SparseRequest{.options = options, .max_active_dims = {}, .rows = {}});
}

void RequestQueue::drain() { impl_->drain(); }

void RequestQueue::shutdown() { impl_->shutdown(); }

QueueStatistics RequestQueue::statistics() const {
  const std::scoped_lock lock(impl_->mutex);
  QueueStatistics snapshot = impl_->statistics;
  snapshot.open_requests = static_cast<std::int64_t>(impl_->open.size());
  return snapshot;
}

}  // namespace treble
