#include "kernels/rounding_correction.h"

namespace treble::internal {

void RoundingCorrection::add(Layer& layer) {
  const std::scoped_lock lock(mutex_);
  layers_.push_back(&layer);
}

void RoundingCorrection::finish(const Execution& execution) {
  const auto finish_one = [&](std::int64_t index, int) {
    layers_[static_cast<std::size_t>(index)]->finish_correction();
  };
  const auto count = static_cast<std::int64_t>(layers_.size());
  if (execution.pool != nullptr) {
    execution.pool->parallel_for(count, finish_one);
  } else {
    for (std::int64_t index = 0; index < count; ++index) finish_one(index, 0);
  }
  layers_.clear();
}

}  // namespace treble::internal
