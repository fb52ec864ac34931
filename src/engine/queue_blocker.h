// For tests of the request queue: its thread held up, its errors in words.
#pragma once

#include <future>
#include <latch>
#include <memory>
#include <string>
#include <utility>

#include "engine/model_copy.h"
#include "treble/request_queue.h"

namespace treble::internal::test {

inline std::string error_in(std::future<Embeddings>& future) {
  return error_of([&] { future.get(); });
}

/// Keeps a thread of the queue from encoding until it is released or goes.
class Blocker {
 public:
  explicit Blocker(RequestQueue& queue) {
    queue.submit({"a"}, {}, {}, [latches = latches_](const Answer&) {
      latches->entered.count_down();
      latches->released.wait();
    });
    latches_->entered.wait();
  }
  ~Blocker() { release(); }
  Blocker(const Blocker&) = delete;
  Blocker& operator=(const Blocker&) = delete;

  void release() {
    if (!std::exchange(is_released_, true)) latches_->released.count_down();
  }

 private:
  struct Latches {
    std::latch entered{1};
    std::latch released{1};
  };

  // The queue's thread may still look at them when this is gone.
  std::shared_ptr<Latches> latches_ = std::make_shared<Latches>();
  bool is_released_ = false;
};

}  // namespace treble::internal::test
