#include "models/encoder.h"

#include <algorithm>
#include <utility>

#include "base/fail.h"

namespace treble::internal {

Encoder::Encoder(Parts parts) : parts_(std::move(parts)) {}

namespace {

MatrixView project_output(const Linear& projection, const EncoderCall& call, ConstMatrixView hidden) {
  const std::int64_t width = projection.out_features();
  const MatrixView output(call.workspace.output.ensure(static_cast<std::size_t>(hidden.rows * width)), hidden.rows,
                          width);
  projection.run(call.execution, hidden, output);
  return output;
}

}  // namespace

ConstMatrixView Encoder::run(const EncoderCall& call, const PackedBatch& batch) const {
  const std::int64_t width = parts_.config.hidden_size;
  const std::int64_t tokens = batch.total_tokens();
  MatrixView hidden(call.workspace.hidden.ensure(static_cast<std::size_t>(tokens * width)), tokens, width);
  const Temperature untempered;
  const StateControl uncontrolled;
  const auto temperatures = call.temperatures.empty() ? std::span(&untempered, 1) : call.temperatures;
  if (temperatures.size() != 1 && static_cast<std::int64_t>(temperatures.size()) != batch.num_sequences()) {
    fail(ErrorCode::internal, "{} temperatures for {} sequences", temperatures.size(), batch.num_sequences());
  }
  const auto controls = call.state_controls.empty() ? std::span(&uncontrolled, 1) : call.state_controls;
  if (controls.size() != 1 && static_cast<std::int64_t>(controls.size()) != batch.num_sequences()) {
    fail(ErrorCode::internal, "{} state controls for {} sequences", controls.size(), batch.num_sequences());
  }
  if (call.carried != nullptr) {
    if (!is_recurrent() || batch.num_sequences() != 1) {
      fail(ErrorCode::internal, "a state carried into {} sequences", batch.num_sequences());
    }
    call.carried->layers.resize(static_cast<std::size_t>(parts_.config.num_layers));
  }
  LayerCall layer_call{.execution = call.execution,
                       .batch = batch,
                       .workspace = call.workspace,
                       .temperatures = temperatures,
                       .temper_position_bias = call.temper_position_bias,
                       .position_bias = {},
                       .inputs = {},
                       .observer = call.observer,
                       .state_controls = controls,
                       .carried = call.carried};
  const auto observe = [&](std::int64_t layer) {
    if (call.observer != nullptr) call.observer->on_hidden_states(layer, batch, hidden);
  };
  const std::vector<PositionBias>& biases = parts_.position_bias;
  parts_.embeddings.run(layer_call, hidden);
  observe(0);
  if (parts_.config.per_layer_width > 0) {
    const std::int64_t values = tokens * width;
    layer_call.inputs = {call.workspace.inputs.ensure(static_cast<std::size_t>(values)), tokens, width};
    std::copy_n(hidden.data, values, layer_call.inputs.data);
  }
  if (parts_.convolution) parts_.convolution->gather(layer_call, hidden);
  const std::int64_t num_layers = parts_.config.num_layers;
  for (std::int64_t layer = 0; layer < num_layers; ++layer) {
    const bool last = layer + 1 == num_layers;
    const auto group = static_cast<std::size_t>(parts_.config.group_of(layer));
    if (!biases.empty()) {
      layer_call.position_bias = biases[biases.size() == 1 ? 0 : static_cast<std::size_t>(layer)].view();
    }
    const auto kept = last ? call.kept_tokens : std::span<const std::int64_t>();
    hidden =
        std::visit([&](const auto& block) { return block.run(layer_call, layer, hidden, kept); }, parts_.groups[group]);
    if (layer == 0 && parts_.convolution) parts_.convolution->run(layer_call, hidden);
    if (last && parts_.final_norm) parts_.final_norm.run(call.execution, hidden, hidden);
    if (last && parts_.output_projection) hidden = project_output(*parts_.output_projection, call, hidden);
    observe(layer + 1);
  }
  if (call.carried != nullptr) call.carried->tokens += tokens;
  return hidden;
}

}  // namespace treble::internal
