#include "base/thread_pool.h"

#include <utility>

#include "base/fail.h"

namespace treble {

ThreadPool::ThreadPool(int threads) {
  if (threads < 1 || threads > 4096) {
    fail(ErrorCode::invalid_argument, "threads must be between 1 and 4096, got {}", threads);
  }
  threads_.reserve(static_cast<std::size_t>(threads - 1));
  for (int worker = 1; worker < threads; ++worker) threads_.emplace_back([this, worker] { run_worker(worker); });
}

ThreadPool::~ThreadPool() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  start_.notify_all();
  for (auto& thread : threads_) thread.join();
}

void ThreadPool::parallel_for(std::int64_t count, const std::function<void(std::int64_t, int)>& body) {
  if (count <= 0) return;
  const std::lock_guard caller(caller_mutex_);
  if (threads_.empty() || count == 1) {
    for (std::int64_t index = 0; index < count; ++index) body(index, 0);
    return;
  }
  {
    const std::lock_guard lock(mutex_);
    body_ = &body;
    next_ = 0;
    count_ = count;
    busy_ = size();
    failure_ = nullptr;
    ++generation_;
  }
  start_.notify_all();
  work(0);
  std::unique_lock lock(mutex_);
  done_.wait(lock, [this] { return busy_ == 0; });
  body_ = nullptr;
  if (failure_) std::rethrow_exception(std::exchange(failure_, nullptr));
}

void ThreadPool::run_worker(int worker) {
  std::uint64_t seen = 0;
  while (true) {
    {
      std::unique_lock lock(mutex_);
      start_.wait(lock, [&] { return stopping_ || generation_ != seen; });
      if (stopping_) return;
      seen = generation_;
    }
    work(worker);
  }
}

void ThreadPool::work(int worker) {
  while (true) {
    std::int64_t index = 0;
    const std::function<void(std::int64_t, int)>* body = nullptr;
    {
      const std::lock_guard lock(mutex_);
      if (next_ >= count_ || failure_) {
        if (--busy_ == 0) done_.notify_all();
        return;
      }
      index = next_++;
      body = body_;
    }
    try {
      (*body)(index, worker);
    } catch (...) {
      const std::lock_guard lock(mutex_);
      if (!failure_) failure_ = std::current_exception();
    }
  }
}

}  // namespace treble
