#include "layers/feed_forward.h"

#include <algorithm>

#include "kernels/activation_ops.h"

namespace treble {

namespace {

/// Fewer rows are not worth a thread of their own.
constexpr std::int64_t kLeastRows = 8;

}  // namespace

/// Some rows up and down again.
void FeedForward::run_chunk(const Execution& execution, ConstMatrixView x, AlignedBuffer<float>& buffer,
                            MatrixView y) const {
  const std::int64_t up_width = parts_.up.out_features();
  const std::int64_t width = parts_.down.in_features();
  // The gated product is written behind the pair it is made of, as matrices for oneDNN are dense.
  float* floats = buffer.ensure(static_cast<std::size_t>(x.rows * (up_width + (parts_.gated ? width : 0))));
  MatrixView intermediate(floats, x.rows, up_width);
  parts_.up.run(execution, x, intermediate);
  if (parts_.gated) {
    const MatrixView product(floats + x.rows * up_width, x.rows, width);
    activate_gated(parts_.gate, intermediate.col_range(0, width), intermediate.col_range(width, 2 * width), product,
                   parts_.down.accuracy());
    intermediate = product;
  }
  parts_.down.run(execution, intermediate, y);
}

void FeedForward::run(const LayerCall& call, ConstMatrixView x, MatrixView y) const {
  auto& buffers = call.workspace.intermediate;
  buffers.resize(std::max(buffers.size(), static_cast<std::size_t>(call.execution.threads())));
  if (Linear::shares_outputs(call.execution, x.rows)) {
    run_chunk(call.execution, x, buffers.front(), y);
    return;
  }
  // Few enough rows at a time for the wide intermediate ones to stay close to the core.
  const std::int64_t chunk = parts_.up.typical_rows();
  call.execution.for_ranges(x.rows, kLeastRows, [&](std::int64_t begin, std::int64_t end, int worker) {
    for (std::int64_t first = begin; first < end; first += chunk) {
      const std::int64_t last = std::min(end, first + chunk);
      run_chunk({}, x.row_range(first, last), buffers[static_cast<std::size_t>(worker)], y.row_range(first, last));
    }
  });
}

}  // namespace treble
