// A fixed team of threads that runs loops.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <exception>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace treble {

/// `threads` workers, the caller of parallel_for being worker 0. One loop runs at a time: callers on several threads
/// take turns, and a loop must not start another on the same pool.
class ThreadPool {
 public:
  /// Throws Error{invalid_argument} unless 1 ≤ threads ≤ 4096.
  explicit ThreadPool(int threads);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  int size() const noexcept { return static_cast<int>(threads_.size()) + 1; }

  /// Calls body(index, worker) once for every index in [0, count), indices handed out in order to whichever worker is
  /// free; 0 ≤ worker < size(). Returns when all are done. The first exception stops the handing out and is rethrown.
  void parallel_for(std::int64_t count, const std::function<void(std::int64_t index, int worker)>& body);

 private:
  void run_worker(int worker);
  void work(int worker);

  std::mutex caller_mutex_;
  std::mutex mutex_;
  std::condition_variable start_;
  std::condition_variable done_;
  std::vector<std::thread> threads_;
  const std::function<void(std::int64_t, int)>* body_ = nullptr;
  std::int64_t next_ = 0;
  std::int64_t count_ = 0;
  int busy_ = 0;
  std::uint64_t generation_ = 0;
  bool stopping_ = false;
  std::exception_ptr failure_;
};

}  // namespace treble
