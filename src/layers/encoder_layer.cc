#include "layers/encoder_layer.h"

#include "layers/kept_rows.h"

namespace treble::internal {

namespace {

MatrixView like(AlignedBuffer<float>& buffer, MatrixView hidden) {
  return {buffer.ensure(static_cast<std::size_t>(hidden.rows * hidden.cols)), hidden.rows, hidden.cols};
}

/// The input of a sublayer.
ConstMatrixView sublayer_input(const LayerCall& call, const BlockNorms& norms, MatrixView hidden) {
  if (!norms.before) return hidden;
  const MatrixView normed = like(call.workspace.normed, hidden);
  norms.before.run(call.execution, hidden, normed);
  return normed;
}

/// hidden ← after(hidden + inside(f)), f being called as f(y) and adding to y unless `inside` is there.
template <typename Function>
void add_sublayer(const LayerCall& call, const BlockNorms& norms, const Function& f, MatrixView hidden) {
  if (norms.inside) {
    const MatrixView result = like(call.workspace.result, hidden);
    f(result);
    norms.inside.run(call.execution, result, result);
    for (std::int64_t row = 0; row < hidden.rows; ++row) add_row(result.row_span(row), hidden.row_span(row));
  } else {
    f(hidden);
  }
  if (norms.after) norms.after.run(call.execution, hidden, hidden);
}

}  // namespace

MatrixView EncoderLayer::run(const LayerCall& call, std::int64_t layer, MatrixView hidden,
                             std::span<const std::int64_t> kept) const {
  parts_.attention.attend(call, layer, sublayer_input(call, parts_.attention_norms, hidden));
  const MatrixView rows = keep_rows(kept, hidden);
  add_sublayer(call, parts_.attention_norms, [&](MatrixView y) { parts_.attention.project(call, kept, y); }, rows);
  const ConstMatrixView input = sublayer_input(call, parts_.feed_forward_norms, rows);
  const auto feed_forward = [&](MatrixView y) {
    std::visit([&](const auto& network) { network.run(call, input, y); }, parts_.feed_forward);
  };
  add_sublayer(call, parts_.feed_forward_norms, feed_forward, rows);
  if (parts_.per_layer_input) parts_.per_layer_input->run(call, keep_rows(kept, call.inputs), rows);
  if (parts_.scale != 1.0F) {
    for (std::int64_t row = 0; row < rows.rows; ++row) {
      for (float& value : rows.row_span(row)) value *= parts_.scale;
    }
  }
  return rows;
}

}  // namespace treble::internal
