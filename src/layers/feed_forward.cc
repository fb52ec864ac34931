#include "layers/feed_forward.h"

#include <algorithm>
#include <utility>

namespace treble {

namespace {

/// Rows that go up and down again together: few enough for the wide intermediate rows to stay in the second-level cache
/// (64 rows of 1536 floats are 384 KiB), enough for the products to run at full speed.
constexpr std::int64_t kChunkRows = 64;
/// Fewer rows are not worth a thread of their own.
constexpr std::int64_t kLeastRows = 8;

}  // namespace

FeedForward::FeedForward(Linear up, Linear down) : up_(std::move(up)), down_(std::move(down)) {}

void FeedForward::run(const LayerCall& call, MatrixView hidden) const {
  auto& buffers = call.workspace.intermediate;
  buffers.resize(std::max(buffers.size(), static_cast<std::size_t>(call.execution.threads())));
  const std::int64_t width = up_.out_features();
  call.execution.for_ranges(hidden.rows, kLeastRows, [&](std::int64_t begin, std::int64_t end, int worker) {
    float* buffer = buffers[static_cast<std::size_t>(worker)].ensure(static_cast<std::size_t>(kChunkRows * width));
    for (std::int64_t first = begin; first < end; first += kChunkRows) {
      const MatrixView rows = hidden.row_range(first, std::min(end, first + kChunkRows));
      const MatrixView intermediate(buffer, rows.rows, width);
      up_.run(Execution{}, rows, intermediate);
      down_.run(Execution{}, intermediate, rows);
    }
  });
}

}  // namespace treble
