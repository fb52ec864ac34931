// Progress and stopping of one call of `encode`.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <thread>

#include "treble/options.h"

namespace treble::internal {

/// Its functions may be called from any thread; the caller's callback runs on the thread that made the watch alone.
class CallWatch {
 public:
  /// Reports that nothing of `total` texts is done.
  CallWatch(const EncodeOptions& options, std::int64_t total);

  /// Throws Error{interrupted} after a request to stop.
  void check() const;

  /// For work before the first text is done: checks, and on the caller's thread reports now and then that nothing is
  /// done yet, so that the callback can stop the call.
  void check_early();

  /// So many more texts are done.
  void add(std::int64_t texts);

  /// Reports what other threads did last.
  void finish();

 private:
  void report();

  const EncodeOptions& options_;
  std::int64_t total_;
  std::thread::id caller_ = std::this_thread::get_id();
  std::atomic<std::int64_t> done_ = 0;
  std::int64_t reported_ = -1;                         ///< by the caller's thread
  std::chrono::steady_clock::time_point reported_at_;  ///< likewise
};

}  // namespace treble::internal
