#include "engine/call_watch.h"

#include "base/stop.h"

namespace treble::internal {

namespace {

constexpr std::chrono::milliseconds kEarlyInterval{100};

}  // namespace

CallWatch::CallWatch(const EncodeOptions& options, std::int64_t total) : options_(options), total_(total) { report(); }

void CallWatch::check() const { check_stop(options_.stop, "encoding"); }

void CallWatch::check_early() {
  check();
  if (std::this_thread::get_id() != caller_) return;
  if (std::chrono::steady_clock::now() - reported_at_ >= kEarlyInterval) report();
}

void CallWatch::add(std::int64_t texts) {
  done_.fetch_add(texts, std::memory_order_relaxed);
  if (std::this_thread::get_id() == caller_) report();
}

void CallWatch::finish() {
  if (reported_ != done_.load(std::memory_order_relaxed)) report();
}

void CallWatch::report() {
  if (!options_.progress) return;
  reported_at_ = std::chrono::steady_clock::now();
  reported_ = done_.load(std::memory_order_relaxed);
  options_.progress({"encoding", reported_, total_});
}

}  // namespace treble::internal
