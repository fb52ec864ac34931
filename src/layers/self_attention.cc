#include "layers/self_attention.h"

#include <algorithm>
#include <utility>

namespace treble {

namespace {

/// Each head of each token is a row of its own.
void normalize_heads(const Execution& execution, const Norm& norm, std::int64_t head_dim, MatrixView heads) {
  for (std::int64_t first = 0; first < heads.cols; first += head_dim) {
    const MatrixView head = heads.col_range(first, first + head_dim);
    norm.run(execution, head, head);
  }
}

}  // namespace

/// A row's n counts the keys that it really attends to.
void SelfAttention::fill_logit_scales(const LayerCall& call, std::int64_t layer) const {
  const PackedBatch& batch = call.batch;
  auto& scales = call.workspace.logit_scales;
  scales.resize(static_cast<std::size_t>(parts_.shape.num_heads * batch.total_tokens()));
  float* next = scales.data();
  for (std::int64_t head = 0; head < parts_.shape.num_heads; ++head) {
    for (std::int64_t sequence = 0; sequence < batch.num_sequences(); ++sequence) {
      const std::int64_t length = batch.length(sequence);
      std::int64_t last_n = -1;
      float scale = 1;
      for (std::int64_t row = 0; row < length; ++row) {
        const std::int64_t first = std::max<std::int64_t>(0, row - parts_.shape.reach_back);
        const std::int64_t end = std::min(length, row + parts_.shape.reach_ahead + 1);
        if (end - first != last_n) {
          last_n = end - first;
          scale = static_cast<float>(call.temperature.logit_scale(layer, head, last_n));
        }
        *next++ = scale;
      }
    }
  }
}

AttentionInputs SelfAttention::inputs(const LayerCall& call, MatrixView qkv) const {
  const AttentionShape& shape = parts_.shape;
  const std::int64_t width = shape.num_heads * shape.head_dim;
  const std::int64_t kv_width = shape.num_kv_heads * shape.head_dim;
  AttentionInputs inputs;
  inputs.q = qkv.col_range(0, width);
  inputs.k = qkv.col_range(width, width + kv_width);
  inputs.v = qkv.col_range(width + kv_width, width + 2 * kv_width);
  inputs.offsets = call.batch.offsets;
  inputs.num_heads = shape.num_heads;
  inputs.num_kv_heads = shape.num_kv_heads;
  inputs.qk_scale = shape.qk_scale;
  inputs.reach_back = shape.reach_back;
  inputs.reach_ahead = shape.reach_ahead;
  inputs.logit_scales = call.workspace.logit_scales;
  inputs.position_bias = call.position_bias.values;
  inputs.bias_reach = call.position_bias.reach;
  inputs.temper_position_bias = call.temper_position_bias;
  inputs.bfloat16 = shape.bfloat16;
  return inputs;
}

MatrixView SelfAttention::attend(const LayerCall& call, std::int64_t layer, ConstMatrixView x) const {
  const AttentionShape& shape = parts_.shape;
  LayerWorkspace& workspace = call.workspace;
  const auto tokens = static_cast<std::size_t>(x.rows);
  const std::int64_t width = shape.num_heads * shape.head_dim;
  const std::int64_t qk_width = width + shape.num_kv_heads * shape.head_dim;
  const std::int64_t qkv_width = parts_.qkv.out_features();
  const MatrixView qkv(workspace.qkv.ensure(tokens * static_cast<std::size_t>(qkv_width)), x.rows, qkv_width);
  const MatrixView attended(workspace.attended.ensure(tokens * static_cast<std::size_t>(width)), x.rows, width);

  fill_logit_scales(call, layer);
  parts_.qkv.run(call.execution, x, qkv);
  if (parts_.query_norm) normalize_heads(call.execution, parts_.query_norm, shape.head_dim, qkv.col_range(0, width));
  if (parts_.key_norm) normalize_heads(call.execution, parts_.key_norm, shape.head_dim, qkv.col_range(width, qk_width));
  if (parts_.rotary != nullptr) parts_.rotary->rotate(call.execution, call.batch, qkv.col_range(0, qk_width));
  AttentionInputs attention_inputs = inputs(call, qkv);
  std::unique_ptr<LogitBias> logit_bias;
  if (parts_.logit_bias != nullptr) {
    logit_bias = parts_.logit_bias->prepare(call.batch, attention_inputs.q, attention_inputs.k);
    attention_inputs.logit_bias = logit_bias.get();
  }
  if (call.observer != nullptr) call.observer->on_attention(layer, call.batch, attention_inputs);
  attention(call.execution, attention_inputs, workspace.attention_scratch, attended);
  return attended;
}

void SelfAttention::project(const LayerCall& call, ConstMatrixView attended, MatrixView y) const {
  parts_.output.run(call.execution, attended, y);
}

}  // namespace treble
