// The threads and the scratch memory that the kernels of one call use.
#pragma once

#include <cstdint>
#include <functional>

#include "base/thread_pool.h"
#include "kernels/workspace.h"

namespace treble::internal {

class Int8Calibration;

/// Either the calling thread alone (a worker that carries its own micro-batch) or all threads of a pool (a single text
/// that all cores share), with a scratch for each. A view: the workspace and the pool outlive it, and the workspace
/// serves no other call at the same time.
class Execution {
 public:
  /// Without a pool kernels run on the calling thread. With `calibration` it records the inputs of every layer that was
  /// registered with it; such a call is the only one of its model.
  explicit Execution(Workspace& workspace, ThreadPool* pool = nullptr, Int8Calibration* calibration = nullptr);

  int threads() const noexcept { return pool_ == nullptr ? 1 : pool_->size(); }

  /// For the body of a loop of this one: `worker` alone, with its scratch.
  Execution on_thread(int worker) const noexcept;

  /// The scratch of a worker as the loops number them; 0 is the calling thread's.
  ThreadScratch& scratch(int worker) const { return workspace_->thread(first_worker_ + worker); }

  Int8Calibration* calibration() const noexcept { return calibration_; }

  /// Splits [0, count) into one contiguous range a thread, none shorter than `grain` (but the last), and calls
  /// body(begin, end, worker) for each.
  void for_ranges(std::int64_t count, std::int64_t grain,
                  const std::function<void(std::int64_t begin, std::int64_t end, int worker)>& body) const;

  /// body(index, worker) for every index of [0, count), handed out in order to whichever thread is free.
  void for_each(std::int64_t count, const std::function<void(std::int64_t index, int worker)>& body) const;

 private:
  Workspace* workspace_;
  ThreadPool* pool_;
  Int8Calibration* calibration_;
  int first_worker_ = 0;
};

}  // namespace treble::internal
