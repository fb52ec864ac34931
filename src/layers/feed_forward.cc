#include "layers/feed_forward.h"

#include <algorithm>

#include "kernels/activation_ops.h"

namespace treble {

namespace {

/// Rows that go up and down again together: few enough for the wide intermediate rows to stay in the second-level cache
/// (64 rows of 1536 floats are 384 KiB), enough for the products to run at full speed.
constexpr std::int64_t kChunkRows = 64;
/// Fewer rows are not worth a thread of their own.
constexpr std::int64_t kLeastRows = 8;

}  // namespace

void FeedForward::run(const LayerCall& call, ConstMatrixView x, MatrixView y) const {
  auto& buffers = call.workspace.intermediate;
  buffers.resize(std::max(buffers.size(), static_cast<std::size_t>(call.execution.threads())));
  const std::int64_t up_width = parts_.up.out_features();
  const std::int64_t width = parts_.down.in_features();
  // The gated product is written behind the pair it is made of, as matrices for oneDNN are dense.
  const std::int64_t floats = kChunkRows * (up_width + (parts_.gated ? width : 0));
  call.execution.for_ranges(x.rows, kLeastRows, [&](std::int64_t begin, std::int64_t end, int worker) {
    float* buffer = buffers[static_cast<std::size_t>(worker)].ensure(static_cast<std::size_t>(floats));
    for (std::int64_t first = begin; first < end; first += kChunkRows) {
      const std::int64_t last = std::min(end, first + kChunkRows);
      MatrixView intermediate(buffer, last - first, up_width);
      parts_.up.run(Execution{}, x.row_range(first, last), intermediate);
      if (parts_.gated) {
        const MatrixView product(buffer + kChunkRows * up_width, last - first, width);
        activate_gated(parts_.gate, intermediate.col_range(0, width), intermediate.col_range(width, 2 * width),
                       product);
        intermediate = product;
      }
      parts_.down.run(Execution{}, intermediate, y.row_range(first, last));
    }
  });
}

}  // namespace treble
