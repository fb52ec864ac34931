#include "kernels/execution.h"

#include <algorithm>

namespace treble::internal {

Execution::Execution(Workspace& workspace, ThreadPool* pool, Int8Calibration* calibration)
    : workspace_(&workspace), pool_(pool), calibration_(calibration) {
  workspace.reserve(threads());
}

Execution Execution::on_thread(int worker) const noexcept {
  Execution own = *this;
  own.pool_ = nullptr;
  own.first_worker_ += worker;
  return own;
}

void Execution::for_ranges(std::int64_t count, std::int64_t grain,
                           const std::function<void(std::int64_t, std::int64_t, int)>& body) const {
  if (count <= 0) return;
  const std::int64_t ranges = std::clamp<std::int64_t>(count / std::max<std::int64_t>(grain, 1), 1, threads());
  if (ranges == 1) {
    body(0, count, 0);
    return;
  }
  const std::int64_t length = (count + ranges - 1) / ranges;
  pool_->parallel_for(ranges, [&](std::int64_t range, int worker) {
    const std::int64_t begin = range * length;
    const std::int64_t end = std::min(count, begin + length);
    if (begin < end) body(begin, end, worker);
  });
}

void Execution::for_each(std::int64_t count, const std::function<void(std::int64_t, int)>& body) const {
  if (pool_ != nullptr) {
    pool_->parallel_for(count, body);
    return;
  }
  for (std::int64_t index = 0; index < count; ++index) body(index, 0);
}

}  // namespace treble::internal
