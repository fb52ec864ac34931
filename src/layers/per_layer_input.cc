#include "layers/per_layer_input.h"

#include "kernels/activation_ops.h"
#include "layers/row_chunks.h"

namespace treble::internal {

void PerLayerInput::run_chunk(const Execution& execution, ConstMatrixView inputs, AlignedBuffer<float>& buffer,
                              MatrixView hidden) const {
  const std::int64_t width = parts_.output.in_features();
  float* next = buffer.ensure(static_cast<std::size_t>(hidden.rows * (2 * width + hidden.cols)));
  const MatrixView signal(next, hidden.rows, width);
  const MatrixView gate(next + hidden.rows * width, hidden.rows, width);
  const MatrixView result(next + 2 * hidden.rows * width, hidden.rows, hidden.cols);
  parts_.signal.run(execution, inputs, signal);
  parts_.signal_norm.run(execution, signal, signal);
  parts_.gate.run(execution, hidden, gate);
  activate_gated(parts_.activation, gate, signal, gate, parts_.output.accuracy());
  parts_.output.run(execution, gate, result);
  parts_.result_norm.run(execution, result, result);
  for (std::int64_t row = 0; row < hidden.rows; ++row) add_row(result.row_span(row), hidden.row_span(row));
}

void PerLayerInput::run(const LayerCall& call, ConstMatrixView inputs, MatrixView hidden) const {
  for_row_chunks(call, parts_.signal, hidden.rows,
                 [&](const Execution& execution, std::int64_t begin, std::int64_t end, AlignedBuffer<float>& buffer) {
                   run_chunk(execution, inputs.row_range(begin, end), buffer, hidden.row_range(begin, end));
                 });
}

}  // namespace treble::internal
