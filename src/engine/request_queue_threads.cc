// The threads of a request queue: tokenizing, batches, deadlines.
#include <algorithm>
#include <chrono>

#include "base/fail.h"
#include "engine/queue_metrics.h"
#include "engine/request_queue_impl.h"

namespace treble {

namespace {

/// What waits is divided among idle threads only down to this size.
constexpr std::int64_t kMinQueueBatchTokens = 64;
/// What is tokenized of a request before the next one has its turn.
constexpr std::size_t kTokenizeTexts = 16;
constexpr std::size_t kTokenizeBytes = 16384;

/// The end of what is tokenized from text `begin` on.
std::size_t end_of_turn(const RequestItems& items, std::size_t begin) {
  const std::size_t last = std::min(num_items(items), begin + kTokenizeTexts);
  std::size_t end = begin;
  for (std::size_t bytes = 0; end < last && bytes < kTokenizeBytes; ++end) {
    bytes += item_bytes(items, end);
  }
  return end;
}

double seconds_since(QueuedRequest::Clock::time_point begin, QueuedRequest::Clock::time_point now) {
  return std::chrono::duration<double>(now - begin).count();
}

}  // namespace

void RequestQueue::Impl::run_tokenizer() {
  std::unique_lock lock(mutex);
  while (true) {
    texts_ready.wait(lock, [&] { return stopped || !to_tokenize.empty(); });
    if (to_tokenize.empty()) return;
    const RequestPtr request = std::move(to_tokenize.front());
    to_tokenize.pop_front();
    if (request->answered) continue;
    const std::size_t begin = request->num_tokenized;
    request->watch.begin(RequestWatch::Stage::tokenization, Clock::now());
    lock.unlock();
    const std::size_t end = end_of_turn(request->items, begin);
    std::optional<Error> error;
    try {
      tokenize_texts(encoder, *request, begin, end);
    } catch (...) {
      error = as_error(std::current_exception());
    }
    Settled settled;
    lock.lock();
    request->watch.end(RequestWatch::Stage::tokenization, Clock::now());
    if (error) {
      settle(request, std::move(error), settled);
    } else if (!request->answered) {
      enter_texts(request, end, settled);
    }
    lock.unlock();
    deliver(settled);
    lock.lock();
  }
}

/// Tokenized texts up to `end` become candidates for batches; the rest waits for its next turn.
void RequestQueue::Impl::enter_texts(const RequestPtr& request, std::size_t end, Settled& settled) {
  if (request->size() == 0) return settle(request, std::nullopt, settled);
  for (std::size_t& i = request->num_tokenized; i < end; ++i) {
    const auto tokens = static_cast<std::int64_t>(request->tokenized[i].ids.size());
    const std::int64_t correction = tokens - estimate(*request, i);
    request->waiting_tokens += correction;
    statistics.waiting_tokens += correction;
    // Whether it divides the position bias too, is one setting for a batch, as is the kind of vectors.
    const int group = (request->options.temper_position_bias ? 1 : 0) + (request->sparse ? 2 : 0);
    scheduler.add({request->id, static_cast<std::int64_t>(i), tokens}, group);
  }
  if (end < request->size()) {
    to_tokenize.push_back(request);
    texts_ready.notify_one();
  }
  if (idle_runners > 0) batch_ready.notify_one();
}

void RequestQueue::Impl::run_batches() {
  std::unique_lock lock(mutex);
  while (true) {
    ++idle_runners;
    batch_ready.wait(lock, [&] { return stopped || !scheduler.empty(); });
    --idle_runners;
    if (scheduler.empty()) return;
    Settled settled;
    std::vector<BatchItem> batch = start_batch(settled);
    // All that there is to do: the threads may as well share it.
    const bool all_threads = statistics.running_batches == 1 && scheduler.empty();
    if (!scheduler.empty() && idle_runners > 0) batch_ready.notify_one();
    lock.unlock();
    deliver(settled);
    if (!batch.empty()) {
      encode_items(encoder, batch, all_threads);
      lock.lock();
      finish_batch(batch, settled);
      lock.unlock();
      deliver(settled);
    }
    batch.clear();
    lock.lock();
  }
}

/// The next texts, but for those of requests that are not to run any more.
std::vector<BatchItem> RequestQueue::Impl::start_batch(Settled& settled) {
  const std::int64_t takers = idle_runners + 1;
  const std::int64_t share = (scheduler.waiting_tokens() + takers - 1) / takers;
  const auto now = Clock::now();
  std::vector<BatchItem> batch;
  std::int64_t tokens = 0;
  for (const auto& text : scheduler.next_batch(std::min(options.batch_tokens, std::max(share, kMinQueueBatchTokens)))) {
    const auto found = open.find(text.request);
    if (found == open.end()) continue;
    const RequestPtr request = found->second;
    if (settle_stopped(request, now, settled)) continue;
    batch.push_back(start_text(request, text, now));
    tokens += text.tokens;
  }
  if (batch.empty()) return batch;
  ++statistics.running_batches;
  statistics.encoded_texts += batch.size();
  statistics.encoded_tokens += static_cast<std::uint64_t>(tokens);
  observe(statistics.batch_texts, static_cast<double>(batch.size()));
  observe(statistics.batch_tokens, static_cast<double>(tokens));
  return batch;
}

/// Answers a request that was cancelled or whose deadline has passed; whether it was.
bool RequestQueue::Impl::settle_stopped(const RequestPtr& request, Clock::time_point now, Settled& settled) {
  if (request->cancelled) {
    settle(request, Error(ErrorCode::cancelled, "the request was cancelled before it ran"), settled);
    return true;
  }
  if (!request->deadline || *request->deadline > now) return false;
  const std::string message = fmt::format(
      "the deadline passed {:.3f} s after the request came, while {} of its {} texts waited; give it more "
      "time, or ask for less at once",
      seconds_since(request->watch.accepted(), now), request->waiting_texts, request->size());
  settle(request, Error(ErrorCode::deadline_exceeded, message), settled);
  return true;
}

BatchItem RequestQueue::Impl::start_text(const RequestPtr& request, const ScheduledText& text, Clock::time_point now) {
  --request->waiting_texts;
  request->waiting_tokens -= text.tokens;
  --statistics.waiting_texts;
  statistics.waiting_tokens -= text.tokens;
  observe(statistics.wait_seconds, seconds_since(request->watch.accepted(), now));
  request->watch.begin(RequestWatch::Stage::compute, now);
  // From here on it is too late to stop it.
  if (request->waiting_texts == 0 && request->deadline) deadlines.erase({*request->deadline, request->id});
  return {request, text.text, std::move(request->tokenized[static_cast<std::size_t>(text.text)]), std::nullopt};
}

void RequestQueue::Impl::finish_batch(const std::vector<BatchItem>& batch, Settled& settled) {
  settled.clear();
  --statistics.running_batches;
  const auto now = Clock::now();
  for (const BatchItem& item : batch) {
    item.request->watch.end(RequestWatch::Stage::compute, now);
    --item.request->unfinished_texts;
    if (item.error) {
      settle(item.request, item.error, settled);
    } else if (item.request->unfinished_texts == 0) {
      settle(item.request, std::nullopt, settled);
    }
  }
}

void RequestQueue::Impl::watch_deadlines() {
  std::unique_lock lock(mutex);
  while (!stopped) {
    const auto now = Clock::now();
    std::vector<std::uint64_t> due = std::exchange(cancelled, {});
    for (auto next = deadlines.begin(); next != deadlines.end() && next->first <= now; ++next) {
      due.push_back(next->second);
    }
    if (due.empty()) {
      if (deadlines.empty()) {
        watch.wait(lock);
      } else {
        const auto first = deadlines.begin()->first;
        watch.wait_until(lock, first);
      }
      continue;
    }
    Settled settled;
    for (const std::uint64_t id : due) {
      const auto found = open.find(id);
      if (found == open.end() || found->second->waiting_texts == 0) continue;
      const RequestPtr request = found->second;
      settle_stopped(request, now, settled);
    }
    lock.unlock();
    deliver(settled);
    lock.lock();
  }
}

/// The request's answer, unless it has one: it leaves everything that is under the mutex.
void RequestQueue::Impl::settle(const RequestPtr& request, std::optional<Error> error, Settled& settled) {
  if (std::exchange(request->answered, true)) return;
  scheduler.remove(request->id);
  if (request->deadline) deadlines.erase({*request->deadline, request->id});
  statistics.waiting_texts -= std::exchange(request->waiting_texts, 0);
  statistics.waiting_tokens -= std::exchange(request->waiting_tokens, 0);
  const auto now = Clock::now();
  Answer answer;
  answer.timing = request->watch.timing(now);
  if (error) {
    answer.error = std::move(error);
  } else {
    if (!request->sparse) answer.embeddings = std::move(request->result);
    observe(statistics.total_seconds, seconds_since(request->watch.accepted(), now));
  }
  count_answer(statistics, answer);
  ++undelivered;
  settled.emplace_back(request, std::move(answer));
  open.erase(request->id);
}

/// Without the mutex.
void RequestQueue::Impl::deliver(Settled& settled) {
  if (settled.empty()) return;
  for (auto& [request, answer] : settled) {
    request->on_stop.reset();
    if (request->sparse && !answer.error) answer.sparse = take_sparse(*request);
    try {
      std::exchange(request->callback, nullptr)(std::move(answer));
    } catch (...) {
      // As the header says: what a callback throws concerns nobody else.
      continue;
    }
  }
  {
    const std::scoped_lock lock(mutex);
    undelivered -= settled.size();
    if (open.empty() && undelivered == 0) all_answered.notify_all();
  }
  settled.clear();
}

}  // namespace treble
