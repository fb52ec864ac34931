// A fixed team of threads that runs loops.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace treble::internal {

/// `threads` workers, the caller of parallel_for being worker 0. One loop runs at a time: concurrent callers are
/// serialised, and a loop must not start another on the same pool.
///
/// Between loops workers spin-wait for the next one for half a millisecond before they sleep, most of it yielding their
/// core: a single text goes through dozens of short loops, and waking a sleeping thread takes longer than such a loop.
class ThreadPool {
 public:
  /// Throws Error{invalid_argument} unless 1 ≤ threads ≤ 4096.
  explicit ThreadPool(int threads);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  int size() const noexcept { return static_cast<int>(threads_.size()) + 1; }

  /// Calls body(index, worker) once for every index in [0, count), indices handed out in order to whichever worker is
  /// free; 0 ≤ worker < size(). Returns when all are done. After the first exception no further index is handed out,
  /// and it is rethrown.
  void parallel_for(std::int64_t count, const std::function<void(std::int64_t index, int worker)>& body);

 private:
  static constexpr std::size_t kCacheLine = 64;

  void run_worker(int worker);
  void work(int worker);
  void record_failure(std::exception_ptr failure);
  /// Spin-waits for `ready`, then sleeps until it holds.
  template <typename Ready>
  void wait(std::condition_variable& condition, const Ready& ready);
  /// Wakes those who sleep on `condition`; what they wait for has been stored.
  void wake(std::condition_variable& condition);

  std::mutex caller_mutex_;
  std::vector<std::thread> threads_;
  std::mutex sleep_mutex_;
  std::condition_variable start_;
  std::condition_variable done_;
  std::atomic<int> sleepers_{0};
  /// The loop. Written by its caller while no worker is in it, published by `generation_`. What workers spin on, what
  /// they take and what the caller spins on have cache lines of their own (no false sharing): each write invalidates
  /// the line in the other cores, and fetching it back may take a microsecond.
  alignas(kCacheLine) std::atomic<std::uint64_t> generation_{0};
  const std::function<void(std::int64_t, int)>* body_ = nullptr;
  std::int64_t count_ = 0;
  std::atomic<bool> stopping_{false};
  alignas(kCacheLine) std::atomic<std::int64_t> next_{0};
  /// Workers that have not yet left the loop.
  alignas(kCacheLine) std::atomic<int> busy_{0};
  alignas(kCacheLine) std::mutex failure_mutex_;
  std::exception_ptr failure_;
};

}  // namespace treble::internal
