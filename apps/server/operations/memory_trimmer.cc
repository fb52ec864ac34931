#include "operations/memory_trimmer.h"

#include <malloc.h>

namespace treble::server {

MemoryTrimmer::MemoryTrimmer(Activity activity, std::chrono::milliseconds idle)
    : activity_(std::move(activity)), idle_(idle), thread_([this] { run(); }) {}

MemoryTrimmer::~MemoryTrimmer() {
  {
    const std::scoped_lock lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_one();
  thread_.join();
}

std::vector<Sample> MemoryTrimmer::samples() const {
  return {{"treble_memory_trims_total",
           "Times that free memory was given back to the system.",
           SampleKind::counter,
           {},
           static_cast<double>(trims_)}};
}

void MemoryTrimmer::run() {
  std::uint64_t trimmed_at = activity_();
  std::uint64_t before = trimmed_at;
  std::unique_lock lock(mutex_);
  while (!changed_.wait_for(lock, idle_, [this] { return stopping_; })) {
    const std::uint64_t now = activity_();
    if (now == before && now != trimmed_at) {
      ::malloc_trim(0);
      ++trims_;
      trimmed_at = now;
    }
    before = now;
  }
}

}  // namespace treble::server
