#include "layers/feed_forward.h"

#include <algorithm>

#include "kernels/activation_ops.h"

namespace treble::internal {

namespace {

/// A thread gets at least that many rows.
constexpr std::int64_t kMinRowsPerThread = 8;

}  // namespace

/// Up and down projection of some rows.
template <typename T>
void FeedForward::run_through(const Execution& execution, ConstMatrixView x, T* buffer, MatrixView y) const {
  const std::int64_t up_width = parts_.up.out_features();
  BasicMatrixView<T> intermediate(buffer, x.rows, up_width);
  parts_.up.run(execution, x, intermediate);
  if (parts_.gated) {
    // The gated product goes behind its two operands, as oneDNN takes dense matrices.
    const std::int64_t width = parts_.down.in_features();
    const BasicMatrixView<T> gated(buffer + x.rows * up_width, x.rows, width);
    activate_gated(parts_.gate, BasicMatrixView<const T>(intermediate.col_range(0, width)),
                   BasicMatrixView<const T>(intermediate.col_range(width, 2 * width)), gated, parts_.down.accuracy());
    intermediate = gated;
  }
  parts_.down.run(execution, BasicMatrixView<const T>(intermediate), y);
}

void FeedForward::run_chunk(const Execution& execution, ConstMatrixView x, AlignedBuffer<float>& buffer,
                            MatrixView y) const {
  const std::int64_t width = parts_.up.out_features() + (parts_.gated ? parts_.down.in_features() : 0);
  float* floats = buffer.ensure(static_cast<std::size_t>(x.rows * width));
  if (parts_.up.has_bfloat16_output()) {
    run_through(execution, x, reinterpret_cast<std::uint16_t*>(floats), y);
  } else {
    run_through(execution, x, floats, y);
  }
}

void FeedForward::run(const LayerCall& call, ConstMatrixView x, MatrixView y) const {
  auto& buffers = call.workspace.intermediate;
  buffers.resize(std::max(buffers.size(), static_cast<std::size_t>(call.execution.threads())));
  if (Linear::splits_outputs(call.execution, x.rows)) {
    run_chunk(call.execution, x, buffers.front(), y);
    return;
  }
  // Few enough rows at a time for the wide intermediate ones to stay close to the core.
  const std::int64_t chunk = parts_.up.typical_rows();
  call.execution.for_ranges(x.rows, kMinRowsPerThread, [&](std::int64_t begin, std::int64_t end, int worker) {
    const Execution own = call.execution.on_thread(worker);
    for (std::int64_t first = begin; first < end; first += chunk) {
      const std::int64_t last = std::min(end, first + chunk);
      run_chunk(own, x.row_range(first, last), buffers[static_cast<std::size_t>(worker)], y.row_range(first, last));
    }
  });
}

}  // namespace treble::internal
