// A fixed team of threads that runs the loops of any number of callers.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

namespace treble::internal {

/// `size()` slots, and size() − 1 threads of its own. Whoever works holds a slot, so that no more than size() threads
/// are at work at once, however many callers there are; the number of a slot is the `worker` of a body, and no two
/// threads have the same one at a time. May be used from any number of threads at once.
///
/// The caller of a loop works on it too, and threads that have nothing to do join in. With several callers each works
/// on its own loop. More callers than slots wait in line, first come, first served: the pool's own threads leave a loop
/// for them after the index that they are at, and so do callers when no slot is held by the pool's threads.
///
/// Between loops the pool's threads spin for half a millisecond before they sleep, most of it ready to give their core
/// to others: a single text goes through dozens of short loops, and waking a sleeping thread takes longer than such a
/// loop.
class ThreadPool {
 public:
  /// Throws Error{invalid_argument} unless 1 ≤ threads ≤ 4096.
  explicit ThreadPool(int threads);
  /// No loop may be running.
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  int size() const noexcept { return static_cast<int>(slots_.size()); }

  /// Calls body(index, worker) once for every index in [0, count), indices handed out in order to whichever worker is
  /// free; 0 ≤ worker < size(). Returns when all have run. The first exception stops the handing out and is rethrown.
  /// From within a body of the same pool the loop runs on the calling thread alone. count < 2³¹.
  void parallel_for(std::int64_t count, const std::function<void(std::int64_t index, int worker)>& body);

  /// Calls body(worker) on this thread, which holds a slot meanwhile; loops that it runs are shared with whoever has
  /// nothing to do. For work that keeps buffers by worker from one loop to the next.
  void run(const std::function<void(int worker)>& body);

 private:
  static constexpr std::size_t kCacheLine = 64;
  using Body = std::function<void(std::int64_t, int)>;

  enum class SlotState { idle, helping, held };

  /// The loop that the holder of a slot runs. `next` and `end` are an index below the number of the loop, so that a
  /// thread that comes late for one loop cannot take an index of the next one for its own. What threads take and what
  /// the caller waits for lie on cache lines of their own: each write takes a line from the other cores, which may be a
  /// microsecond away.
  struct alignas(kCacheLine) Loop {
    std::atomic<std::uint64_t> next{0};
    std::atomic<std::uint64_t> end{0};
    const Body* body = nullptr;
    /// Indices that have run, or that are not handed out any more.
    alignas(kCacheLine) std::atomic<std::int64_t> done{0};
    std::mutex failure_mutex;
    std::exception_ptr failure;
  };

  struct alignas(kCacheLine) Slot {
    std::atomic<SlotState> state{SlotState::idle};
    /// The pool's thread of this slot sleeps because a caller holds it, or held it. Under slot_mutex_.
    bool parked = false;
    Loop loop;
  };

  struct Waiter {
    std::condition_variable ready;
    int slot = -1;
  };

  struct Holding;
  Holding* holding() const noexcept;

  int acquire_slot();
  void release_slot(int slot);
  void hand_out_slots();
  bool has_open_loop() const noexcept;

  std::int64_t run_loop(int slot, std::int64_t begin, std::int64_t count, const Body& body, bool may_yield);
  bool take(Loop& loop, std::int64_t& index, const Body*& body) const;
  static std::int64_t close(Loop& loop);
  void run_index(Loop& loop, const Body& body, std::int64_t index, int worker);
  bool should_yield_caller() const noexcept;

  void run_worker(int worker);
  bool help(int worker);
  bool help_with(Loop& loop, int worker);
  void park(int worker);
  /// Spins until `ready` for a while, then sleeps until it is so.
  template <typename Ready>
  void wait(std::condition_variable& condition, const Ready& ready);
  /// Wakes those who sleep on `condition`; what they wait for has been stored.
  void wake(std::condition_variable& condition);

  static thread_local Holding* holding_;

  std::vector<Slot> slots_;
  std::vector<std::thread> threads_;

  std::mutex slot_mutex_;
  std::deque<Waiter*> waiters_;
  std::condition_variable unpark_;
  /// waiters_.size(), the slots held by callers, and the parked threads whose slots are idle; to be read without the
  /// mutex.
  alignas(kCacheLine) std::atomic<int> num_waiters_{0};
  std::atomic<int> callers_{0};
  std::atomic<int> parked_{0};

  std::mutex sleep_mutex_;
  std::condition_variable start_;
  std::condition_variable done_;
  std::atomic<int> sleepers_{0};
  /// Counts the loops that were published; what the pool's threads spin on.
  alignas(kCacheLine) std::atomic<std::uint64_t> generation_{0};
  std::atomic<int> latest_{0};
  std::atomic<bool> stopping_{false};
};

}  // namespace treble::internal
