// Gives memory back to the system when a server has nothing to do.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

#include "operations/samples.h"

namespace treble::server {

/// After `idle` without a change of `activity`, once for each time that there was some, has the allocator return what
/// it keeps for later: a burst of large requests leaves no large process behind. Threads: all functions may be called
/// from any thread.
class MemoryTrimmer {
 public:
  /// Returns a number that changes with each request; called every `idle`, on the trimmer's thread.
  using Activity = std::function<std::uint64_t()>;

  explicit MemoryTrimmer(Activity activity, std::chrono::milliseconds idle = std::chrono::seconds(10));
  ~MemoryTrimmer();
  MemoryTrimmer(const MemoryTrimmer&) = delete;
  MemoryTrimmer& operator=(const MemoryTrimmer&) = delete;

  /// treble_memory_trims_total.
  std::vector<Sample> samples() const;

 private:
  void run();

  const Activity activity_;
  const std::chrono::milliseconds idle_;
  std::atomic<std::uint64_t> trims_ = 0;
  std::mutex mutex_;
  std::condition_variable changed_;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace treble::server
