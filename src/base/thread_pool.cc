#include "base/thread_pool.h"

#include <chrono>
#include <utility>

#include "base/fail.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace treble::internal {

namespace {

/// A waiting thread spins that long: longer than the gap between two parallel loops of one text.
constexpr std::chrono::microseconds kSpinTime{50};
/// Then it yields its core between checks before it sleeps: waking a thread takes 0.1 to 0.2 ms on a virtual machine,
/// longer than most threads wait for the slowest part of a loop.
constexpr std::chrono::microseconds kYieldTime{500};
/// Spins between two reads of the clock.
constexpr int kSpinsPerClockRead = 32;

void pause_briefly() {
#if defined(__x86_64__)
  _mm_pause();
#else
  std::this_thread::yield();
#endif
}

}  // namespace

ThreadPool::ThreadPool(int threads) {
  if (threads < 1 || threads > 4096) {
    fail(ErrorCode::invalid_argument, "threads must be between 1 and 4096, got {}", threads);
  }
  threads_.reserve(static_cast<std::size_t>(threads - 1));
  for (int worker = 1; worker < threads; ++worker) threads_.emplace_back([this, worker] { run_worker(worker); });
}

ThreadPool::~ThreadPool() {
  stopping_ = true;
  wake(start_);
  for (auto& thread : threads_) thread.join();
}

template <typename Ready>
void ThreadPool::wait(std::condition_variable& condition, const Ready& ready) {
  const auto begin = std::chrono::steady_clock::now();
  for (auto waited = begin - begin; waited < kYieldTime; waited = std::chrono::steady_clock::now() - begin) {
    for (int spin = 0; spin < kSpinsPerClockRead; ++spin) {
      if (ready()) return;
      pause_briefly();
    }
    if (waited >= kSpinTime) std::this_thread::yield();
  }
  std::unique_lock lock(sleep_mutex_);
  // Incremented before the last check, and wakers read it after they have stored: one of the two sees the other.
  ++sleepers_;
  condition.wait(lock, ready);
  --sleepers_;
}

void ThreadPool::wake(std::condition_variable& condition) {
  if (sleepers_ == 0) return;
  // A sleeper holds the mutex from its last check until it sleeps.
  {
    const std::scoped_lock lock(sleep_mutex_);
  }
  condition.notify_all();
}

void ThreadPool::parallel_for(std::int64_t count, const std::function<void(std::int64_t, int)>& body) {
  if (count <= 0) return;
  const std::scoped_lock caller(caller_mutex_);
  if (threads_.empty() || count == 1) {
    for (std::int64_t index = 0; index < count; ++index) body(index, 0);
    return;
  }
  body_ = &body;
  count_ = count;
  next_ = 0;
  busy_ = size();
  ++generation_;
  wake(start_);
  work(0);
  wait(done_, [this] { return busy_ == 0; });
  if (failure_) std::rethrow_exception(std::exchange(failure_, nullptr));
}

void ThreadPool::run_worker(int worker) {
  std::uint64_t seen = 0;
  while (true) {
    wait(start_, [&] { return stopping_ || generation_ != seen; });
    if (stopping_) return;
    seen = generation_;
    work(worker);
  }
}

void ThreadPool::work(int worker) {
  for (std::int64_t index = next_++; index < count_; index = next_++) {
    try {
      (*body_)(index, worker);
    } catch (...) {
      record_failure(std::current_exception());
    }
  }
  if (--busy_ == 0) wake(done_);
}

void ThreadPool::record_failure(std::exception_ptr failure) {
  const std::scoped_lock lock(failure_mutex_);
  if (!failure_) failure_ = std::move(failure);
  next_ = count_;  // no further index is handed out
}

}  // namespace treble::internal
