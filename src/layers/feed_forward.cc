#include "layers/feed_forward.h"

#include "kernels/activation_ops.h"
#include "layers/row_chunks.h"

namespace treble::internal {

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
  for_row_chunks(call, parts_.up, x.rows,
                 [&](const Execution& execution, std::int64_t begin, std::int64_t end, AlignedBuffer<float>& buffer) {
                   run_chunk(execution, x.row_range(begin, end), buffer, y.row_range(begin, end));
                 });
}

}  // namespace treble::internal
