// How a kernel may spread over threads.
#pragma once

#include <cstdint>
#include <functional>

#include "base/thread_pool.h"

namespace treble::internal {

/// Without a pool a kernel runs on the calling thread alone (a worker carrying its own micro-batch); with one it may
/// use the whole pool (a single text that all cores share).
struct Execution {
  ThreadPool* pool = nullptr;

  int threads() const noexcept { return pool == nullptr ? 1 : pool->size(); }

  /// Splits [0, count) into one contiguous range a thread, none shorter than `grain` (but the last), and calls
  /// body(begin, end, worker) for each.
  void for_ranges(std::int64_t count, std::int64_t grain,
                  const std::function<void(std::int64_t begin, std::int64_t end, int worker)>& body) const;
};

}  // namespace treble::internal
