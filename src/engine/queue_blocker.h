// For tests of the request queue: its thread held up, its errors in words.
#pragma once

#include <future>
#include <latch>
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
    queue.submit({"a"}, {}, {}, [this](const Answer&) {
      entered_.count_down();
      released_.wait();
    });
    entered_.wait();
  }
  ~Blocker() { release(); }
  Blocker(const Blocker&) = delete;
  Blocker& operator=(const Blocker&) = delete;

  void release() {
    if (!std::exchange(is_released_, true)) released_.count_down();
  }

 private:
  std::latch entered_{1};
  std::latch released_{1};
  bool is_released_ = false;
};

}  // namespace treble::internal::test
