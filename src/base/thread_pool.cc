#include "base/thread_pool.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "base/fail.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace treble::internal {

namespace {

/// Longer than what lies between two loops of one text.
constexpr std::chrono::microseconds kSpinTime{50};
/// Then others may have the core, but to wake a thread takes 0.1 to 0.2 ms on a virtual machine, more than most threads
/// wait for the last one's part of a loop. Shorter than anybody minds.
constexpr std::chrono::microseconds kYieldTime{500};
/// Tests between two readings of the clock.
constexpr int kTestsPerReading = 32;

constexpr int kIndexBits = 32;

constexpr std::uint64_t loop_number(std::uint64_t word) { return word >> kIndexBits; }
constexpr std::int64_t index_of(std::uint64_t word) {
  return static_cast<std::int64_t>(word & ((std::uint64_t{1} << kIndexBits) - 1));
}
constexpr std::uint64_t join(std::uint64_t number, std::int64_t index) {
  return number << kIndexBits | static_cast<std::uint64_t>(index);
}

void pause_briefly() {
#if defined(__x86_64__)
  _mm_pause();
#else
  std::this_thread::yield();
#endif
}

}  // namespace

/// A slot that this thread holds, in a list of those of all pools.
struct ThreadPool::Holding {
  Holding(const ThreadPool& pool_in, int slot_in, bool in_loop_in)
      : pool(&pool_in), slot(slot_in), in_loop(in_loop_in) {
    holding_ = this;
  }
  ~Holding() { holding_ = outer; }
  Holding(const Holding&) = delete;
  Holding& operator=(const Holding&) = delete;

  const ThreadPool* pool;
  int slot;
  bool in_loop;  ///< inside a body of a loop, not of `run`
  Holding* outer = holding_;
};

thread_local ThreadPool::Holding* ThreadPool::holding_ = nullptr;

ThreadPool::ThreadPool(int threads) : slots_(static_cast<std::size_t>(std::clamp(threads, 1, 4096))) {
  if (threads < 1 || threads > 4096) {
    fail(ErrorCode::invalid_argument, "threads must be between 1 and 4096, got {}", threads);
  }
  threads_.reserve(static_cast<std::size_t>(threads - 1));
  for (int worker = 1; worker < threads; ++worker) threads_.emplace_back([this, worker] { run_worker(worker); });
}

ThreadPool::~ThreadPool() {
  stopping_ = true;
  wake(start_);
  {
    const std::scoped_lock lock(slot_mutex_);
  }
  unpark_.notify_all();
  for (auto& thread : threads_) thread.join();
}

ThreadPool::Holding* ThreadPool::holding() const noexcept {
  Holding* held = holding_;
  while (held != nullptr && held->pool != this) held = held->outer;
  return held;
}

int ThreadPool::acquire_slot() {
  std::unique_lock lock(slot_mutex_);
  Waiter waiter;
  waiters_.push_back(&waiter);
  // Counted before slots are tried, and threads of the pool look at the count after they have given theirs back: one
  // of the two sees the other.
  ++num_waiters_;
  hand_out_slots();
  waiter.ready.wait(lock, [&] { return waiter.slot >= 0; });
  return waiter.slot;
}

void ThreadPool::release_slot(int slot) {
  const std::scoped_lock lock(slot_mutex_);
  Slot& returned = slots_[static_cast<std::size_t>(slot)];
  returned.state = SlotState::idle;
  --callers_;
  if (returned.parked) ++parked_;
  hand_out_slots();
  if (returned.parked && returned.state == SlotState::idle && has_open_loop()) unpark_.notify_all();
}

bool ThreadPool::has_open_loop() const noexcept {
  return std::any_of(slots_.begin(), slots_.end(),
                     [](const Slot& slot) { return index_of(slot.loop.next) < index_of(slot.loop.end); });
}

/// Idle slots to those who wait, in their order. Under slot_mutex_. Slot 0 first, which no thread of the pool needs.
void ThreadPool::hand_out_slots() {
  for (std::size_t slot = 0; slot < slots_.size() && !waiters_.empty(); ++slot) {
    SlotState expected = SlotState::idle;
    if (!slots_[slot].state.compare_exchange_strong(expected, SlotState::held)) continue;
    ++callers_;
    --num_waiters_;
    if (slots_[slot].parked) --parked_;
    waiters_.front()->slot = static_cast<int>(slot);
    waiters_.front()->ready.notify_one();
    waiters_.pop_front();
  }
}

template <typename Ready>
void ThreadPool::wait(std::condition_variable& condition, const Ready& ready) {
  const auto begin = std::chrono::steady_clock::now();
  for (auto waited = begin - begin; waited < kYieldTime; waited = std::chrono::steady_clock::now() - begin) {
    for (int test = 0; test < kTestsPerReading; ++test) {
      if (ready()) return;
      pause_briefly();
    }
    if (waited >= kSpinTime) std::this_thread::yield();
  }
  std::unique_lock lock(sleep_mutex_);
  // Counted before the last test, and wakers count after they have stored: one of the two sees the other.
  ++sleepers_;
  condition.wait(lock, ready);
  --sleepers_;
}

void ThreadPool::wake(std::condition_variable& condition) {
  if (sleepers_ == 0) return;
  // A sleeper holds the mutex from its last test until it sleeps.
  {
    const std::scoped_lock lock(sleep_mutex_);
  }
  condition.notify_all();
}

void ThreadPool::parallel_for(std::int64_t count, const Body& body) {
  if (count <= 0) return;
  if (count >= std::int64_t{1} << (kIndexBits - 1)) {
    fail(ErrorCode::internal, "a loop of {} rounds; the thread pool runs fewer than 2^31", count);
  }
  if (const Holding* held = holding()) {
    if (held->in_loop) {
      for (std::int64_t index = 0; index < count; ++index) body(index, held->slot);
    } else {
      run_loop(held->slot, 0, count, body, false);
    }
    return;
  }
  for (std::int64_t begin = 0; begin < count;) {
    run([&](int slot) { begin = run_loop(slot, begin, count, body, true); });
  }
}

void ThreadPool::run(const std::function<void(int)>& body) {
  if (const Holding* held = holding()) return body(held->slot);
  struct Release {
    ThreadPool& pool;
    int slot;
    ~Release() { pool.release_slot(slot); }
  };
  const Release release{*this, acquire_slot()};
  const Holding held(*this, release.slot, false);
  body(release.slot);
}

/// Runs indices from `begin` on; returns the first that has not run, below `count` where the slot is wanted by others.
std::int64_t ThreadPool::run_loop(int slot, std::int64_t begin, std::int64_t count, const Body& body, bool may_yield) {
  const Holding held(*this, slot, true);
  if (threads_.empty() || count - begin == 1) {
    for (std::int64_t index = begin; index < count; ++index) {
      if (may_yield && index > begin && should_yield_caller()) return index;
      body(index, slot);
    }
    return count;
  }
  Loop& loop = slots_[static_cast<std::size_t>(slot)].loop;
  const std::uint64_t number = loop_number(loop.end) + 1;
  loop.body = &body;
  loop.done = begin;
  loop.end = join(number, count);
  loop.next = join(number, begin);
  latest_ = slot;
  ++generation_;
  wake(start_);
  if (parked_ > 0) {
    const std::scoped_lock lock(slot_mutex_);
    unpark_.notify_all();
  }
  std::int64_t stop = count;
  std::int64_t index = 0;
  for (const Body* taken = nullptr; take(loop, index, taken);) {
    run_index(loop, body, index, slot);
    if (may_yield && should_yield_caller()) {
      stop = close(loop);
      break;
    }
  }
  wait(done_, [&] { return loop.done == count; });
  if (loop.failure) std::rethrow_exception(std::exchange(loop.failure, nullptr));
  return stop;
}

/// The next index of a loop, where there is one.
bool ThreadPool::take(Loop& loop, std::int64_t& index, const Body*& body) const {
  const std::uint64_t taken = loop.next++;
  const std::uint64_t end = loop.end;
  if (loop_number(taken) != loop_number(end) || index_of(taken) >= index_of(end)) return false;
  // The loop cannot end before this index has run, so its body stays.
  index = index_of(taken);
  body = loop.body;
  return true;
}

/// Nothing more is handed out; returns the first index that never was. Only from within the loop.
std::int64_t ThreadPool::close(Loop& loop) {
  const std::uint64_t end = loop.end;
  const std::int64_t next = std::min(index_of(loop.next.exchange(end)), index_of(end));
  loop.done += index_of(end) - next;
  return next;
}

void ThreadPool::run_index(Loop& loop, const Body& body, std::int64_t index, int worker) {
  try {
    body(index, worker);
  } catch (...) {
    {
      const std::scoped_lock lock(loop.failure_mutex);
      if (!loop.failure) loop.failure = std::current_exception();
    }
    close(loop);
  }
  const std::int64_t count = index_of(loop.end);
  if (++loop.done == count) wake(done_);
}

/// A caller keeps its slot as long as those who wait can have one of the pool's threads.
bool ThreadPool::should_yield_caller() const noexcept { return num_waiters_ > 0 && callers_ == size(); }

void ThreadPool::run_worker(int worker) {
  const Slot& slot = slots_[static_cast<std::size_t>(worker)];
  std::uint64_t seen = 0;
  while (true) {
    wait(start_, [&] { return stopping_ || generation_ != seen || slot.state == SlotState::held; });
    if (slot.state == SlotState::held) park(worker);
    if (stopping_) return;
    seen = generation_;
    while (help(worker)) {
    }
  }
}

/// Until the caller that holds this thread's slot has given it back and there is a loop. Without spinning: that caller
/// has the core.
void ThreadPool::park(int worker) {
  std::unique_lock lock(slot_mutex_);
  Slot& slot = slots_[static_cast<std::size_t>(worker)];
  if (slot.state != SlotState::held) return;
  slot.parked = true;
  unpark_.wait(lock, [&] { return stopping_ || slot.state != SlotState::held; });
  if (slot.state != SlotState::held) --parked_;
  slot.parked = false;
}

/// Joins in wherever there is something to do; whether there may be more.
bool ThreadPool::help(int worker) {
  Slot& own = slots_[static_cast<std::size_t>(worker)];
  SlotState expected = SlotState::idle;
  if (!own.state.compare_exchange_strong(expected, SlotState::helping)) return false;
  Slot& latest = slots_[static_cast<std::size_t>(latest_.load())];
  bool helped = help_with(latest.loop, worker);
  const bool others = callers_ > 1 || latest.state != SlotState::held;
  for (std::size_t slot = 0; others && !helped && slot < slots_.size(); ++slot) {
    Loop& loop = slots_[slot].loop;
    // Taking writes to the loop's cache line, which is in use.
    if (index_of(loop.next) < index_of(loop.end)) helped = help_with(loop, worker);
  }
  own.state = SlotState::idle;
  if (num_waiters_ == 0) return helped && others;
  const std::scoped_lock lock(slot_mutex_);
  hand_out_slots();
  return true;
}

/// Until nothing is left of the loop or somebody waits for a slot; whether there was anything.
bool ThreadPool::help_with(Loop& loop, int worker) {
  const Holding held(*this, worker, true);
  bool helped = false;
  std::int64_t index = 0;
  for (const Body* body = nullptr; num_waiters_ == 0 && take(loop, index, body);) {
    run_index(loop, *body, index, worker);
    helped = true;
  }
  return helped;
}

}  // namespace treble::internal
