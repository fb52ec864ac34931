#include "layers/self_attention.h"

#include <algorithm>
#include <utility>

namespace treble {

SelfAttention::SelfAttention(Linear qkv, Linear output, std::int64_t num_heads)
    : qkv_(std::move(qkv)), output_(std::move(output)), num_heads_(num_heads) {}

void SelfAttention::run(const LayerCall& call, std::int64_t layer, MatrixView hidden) const {
  LayerWorkspace& workspace = call.workspace;
  const std::int64_t width = hidden.cols;
  const auto tokens = static_cast<std::size_t>(hidden.rows);
  const MatrixView qkv(workspace.qkv.ensure(tokens * static_cast<std::size_t>(3 * width)), hidden.rows, 3 * width);
  const MatrixView attended(workspace.attended.ensure(tokens * static_cast<std::size_t>(width)), hidden.rows, width);

  workspace.logit_scales.assign(static_cast<std::size_t>(call.batch.num_sequences() * num_heads_),
                                static_cast<float>(call.temperature.logit_scale()));
  qkv_.run(call.execution, hidden, qkv);
  AttentionInputs inputs;
  inputs.q = qkv.col_range(0, width);
  inputs.k = qkv.col_range(width, 2 * width);
  inputs.v = qkv.col_range(2 * width, 3 * width);
  inputs.offsets = call.batch.offsets;
  inputs.num_heads = num_heads_;
  inputs.logit_scales = workspace.logit_scales;
  inputs.position_bias = call.position_bias.values;
  inputs.bias_reach = call.position_bias.reach;
  inputs.temper_position_bias = call.temper_position_bias;
  if (call.observer != nullptr) call.observer->on_attention(layer, call.batch, inputs);
  attention(call.execution, inputs, workspace.attention_scratch, attended);
  output_.run(call.execution, attended, hidden);
}

}  // namespace treble
