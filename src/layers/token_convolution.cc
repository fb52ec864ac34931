#include "layers/token_convolution.h"

#include <algorithm>

#include "kernels/row_ops.h"

namespace treble::internal {

namespace {

MatrixView windows_of(const LayerCall& call, std::int64_t width) {
  const std::int64_t tokens = call.batch.total_tokens();
  return {call.workspace.windows.ensure(static_cast<std::size_t>(tokens * width)), tokens, width};
}

}  // namespace

void TokenConvolution::gather(const LayerCall& call, ConstMatrixView embedded) const {
  const std::int64_t cols = embedded.cols;
  const std::int64_t radius = parts_.kernel / 2;
  const MatrixView windows = windows_of(call, parts_.kernel * cols);
  for (std::int64_t sequence = 0; sequence < call.batch.num_sequences(); ++sequence) {
    const auto at = static_cast<std::size_t>(sequence);
    const std::int64_t begin = call.batch.offsets[at];
    const std::int64_t end = call.batch.offsets[at + 1];
    for (std::int64_t token = begin; token < end; ++token) {
      float* window = windows.row(token);
      for (std::int64_t source = token - radius; source <= token + radius; ++source, window += cols) {
        if (source >= begin && source < end) {
          std::copy_n(embedded.row(source), cols, window);
        } else {
          std::fill_n(window, cols, 0.0F);
        }
      }
    }
  }
}

void TokenConvolution::run(const LayerCall& call, MatrixView hidden) const {
  const MatrixView result(call.workspace.result.ensure(static_cast<std::size_t>(hidden.rows * hidden.cols)),
                          hidden.rows, hidden.cols);
  parts_.linear.run(call.execution, windows_of(call, parts_.kernel * hidden.cols), result);
  for (std::int64_t row = 0; row < hidden.rows; ++row) add_row(result.row_span(row), hidden.row_span(row));
  parts_.norm.run(call.execution, hidden, hidden);
}

}  // namespace treble::internal
