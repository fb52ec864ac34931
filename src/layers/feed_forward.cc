#include "layers/feed_forward.h"

#include <utility>

namespace treble {

FeedForward::FeedForward(Linear up, Linear down) : up_(std::move(up)), down_(std::move(down)) {}

void FeedForward::run(const LayerCall& call, MatrixView hidden) const {
  const std::int64_t width = up_.out_features();
  const auto size = static_cast<std::size_t>(hidden.rows * width);
  const MatrixView intermediate(call.workspace.intermediate.ensure(size), hidden.rows, width);
  up_.run(call.execution, hidden, intermediate);
  down_.run(call.execution, intermediate, hidden);
}

}  // namespace treble
