// Stopping on request: Ctrl-C lets the batch in flight finish; a second one ends the process at once.
#pragma once

#include <atomic>
#include <csignal>
#include <stop_token>
#include <thread>

namespace treble::cli {

/// A flag that also wakes up whoever waits in poll(). Any thread may call any member.
class StopSignal {
 public:
  /// Throws Error{io} when the process has no file descriptors left.
  StopSignal();
  ~StopSignal();
  StopSignal(const StopSignal&) = delete;
  StopSignal& operator=(const StopSignal&) = delete;

  /// Safe inside a signal handler. Never undone.
  void request() noexcept;
  bool requested() const noexcept { return requested_.load(std::memory_order_acquire); }
  /// Becomes readable with the first request and stays so.
  int fd() const noexcept { return read_end_; }

 private:
  static_assert(std::atomic<bool>::is_always_lock_free, "a signal handler may only touch lock-free atomics");
  std::atomic<bool> requested_ = false;
  int read_end_ = -1;
  int write_end_ = -1;
};

/// While it lives, the first SIGINT or SIGTERM requests a stop, and the second exits with code 130. One at a time.
class InterruptHandler {
 public:
  /// `announce`: the first signal writes a line to stderr, so that the person at the terminal knows it was heard.
  explicit InterruptHandler(bool announce);
  ~InterruptHandler();
  InterruptHandler(const InterruptHandler&) = delete;
  InterruptHandler& operator=(const InterruptHandler&) = delete;

  /// For long calls of the library.
  std::stop_token token() const noexcept { return source_.get_token(); }

 private:
  void watch();

  StopSignal signal_;
  StopSignal end_;  ///< of the watching thread
  std::stop_source source_;
  struct sigaction old_int_ = {};
  struct sigaction old_term_ = {};
  std::thread watcher_;  ///< last: it uses all of the above
};

}  // namespace treble::cli
