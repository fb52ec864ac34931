#include "layers/encoder_layer.h"

#include <utility>

namespace treble {

namespace {

MatrixView like(AlignedBuffer<float>& buffer, MatrixView hidden) {
  return {buffer.ensure(static_cast<std::size_t>(hidden.rows * hidden.cols)), hidden.rows, hidden.cols};
}

/// hidden ← after(hidden + inside(f(before(hidden)))), f being called as f(x, y) and adding to y unless `inside` is
/// there.
template <typename Function>
void run_half(const LayerCall& call, const BlockNorms& norms, const Function& f, MatrixView hidden) {
  const Execution& execution = call.execution;
  ConstMatrixView input = hidden;
  if (norms.before) {
    const MatrixView normed = like(call.workspace.normed, hidden);
    norms.before.run(execution, hidden, normed);
    input = normed;
  }
  if (norms.inside) {
    const MatrixView result = like(call.workspace.result, hidden);
    f(input, result);
    norms.inside.run(execution, result, result);
    for (std::int64_t row = 0; row < hidden.rows; ++row) add_row(result.row_span(row), hidden.row_span(row));
  } else {
    f(input, hidden);
  }
  if (norms.after) norms.after.run(execution, hidden, hidden);
}

}  // namespace

void EncoderLayer::run(const LayerCall& call, std::int64_t layer, MatrixView hidden) const {
  run_half(
      call, parts_.attention_norms, [&](ConstMatrixView x, MatrixView y) { parts_.attention.run(call, layer, x, y); },
      hidden);
  run_half(
      call, parts_.feed_forward_norms, [&](ConstMatrixView x, MatrixView y) { parts_.feed_forward.run(call, x, y); },
      hidden);
}

}  // namespace treble
