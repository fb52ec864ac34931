// A few threads for work that does not go through a model's queue, such as /inspect and token vectors.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace treble::server {

/// Threads: all functions but the destructor may be called from any thread.
class SidePool {
 public:
  SidePool(int threads, std::size_t max_waiting);
  /// Finishes what was accepted.
  ~SidePool();
  SidePool(const SidePool&) = delete;
  SidePool& operator=(const SidePool&) = delete;

  /// Runs `work` on a thread of the pool; it must not throw. False where too much waits already.
  bool submit(std::function<void()> work);

 private:
  void run();

  const std::size_t max_waiting_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::function<void()>> waiting_;
  bool stopping_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace treble::server
