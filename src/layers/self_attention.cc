#include "layers/self_attention.h"

#include <algorithm>
#include <utility>

#include "kernels/bfloat16_ops.h"
#include "layers/kept_rows.h"

namespace treble::internal {

namespace {

/// Each head of each token is a row of its own.
void normalize_heads(const Execution& execution, const Norm& norm, std::int64_t head_dim, MatrixView heads) {
  for (std::int64_t first = 0; first < heads.cols; first += head_dim) {
    const MatrixView head = heads.col_range(first, first + head_dim);
    norm.run(execution, head, head);
  }
}

}  // namespace

/// A row's n is the number of keys it attends to.
void SelfAttention::fill_logit_scales(const LayerCall& call, std::int64_t layer) const {
  const PackedBatch& batch = call.batch;
  auto& scales = call.workspace.logit_scales;
  scales.resize(static_cast<std::size_t>(parts_.shape.num_heads * batch.total_tokens()));
  float* next = scales.data();
  for (std::int64_t head = 0; head < parts_.shape.num_heads; ++head) {
    for (std::int64_t sequence = 0; sequence < batch.num_sequences(); ++sequence) {
      const std::int64_t length = batch.length(sequence);
      const std::int64_t keys = batch.num_keys(sequence);
      const Temperature& temperature = call.temperature_of(sequence);
      std::int64_t last_n = -1;
      float scale = 1;
      for (std::int64_t row = 0; row < length; ++row) {
        const std::int64_t first = std::max<std::int64_t>(0, row - parts_.shape.window_left);
        const std::int64_t end = std::min(keys, row + parts_.shape.window_right + 1);
        // A row without keys is 0 whatever its scale.
        if (const std::int64_t n = std::max<std::int64_t>(end - first, 1); n != last_n) {
          last_n = n;
          scale = static_cast<float>(temperature.logit_scale(layer, head, last_n));
        }
        *next++ = scale;
      }
    }
  }
}

namespace {

/// A buffer's memory as a matrix, of float or of bfloat16.
template <typename T>
BasicMatrixView<T> matrix_in(AlignedBuffer<float>& buffer, std::int64_t rows, std::int64_t cols) {
  const auto bytes = static_cast<std::size_t>(rows * cols) * sizeof(T);
  return {reinterpret_cast<T*>(buffer.ensure((bytes + sizeof(float) - 1) / sizeof(float))), rows, cols};
}

}  // namespace

template <typename T>
BasicMatrixView<T> SelfAttention::attended(const LayerCall& call) const {
  return matrix_in<T>(call.workspace.attended, call.batch.total_tokens(),
                      parts_.shape.num_heads * parts_.shape.head_dim);
}

template <typename T>
BasicAttentionInputs<T> SelfAttention::inputs(const LayerCall& call, BasicMatrixView<T> qkv) const {
  const AttentionShape& shape = parts_.shape;
  const std::int64_t width = shape.num_heads * shape.head_dim;
  const std::int64_t kv_width = shape.num_kv_heads * shape.head_dim;
  BasicAttentionInputs<T> inputs;
  inputs.q = qkv.col_range(0, width);
  inputs.k = qkv.col_range(width, width + kv_width);
  inputs.v = qkv.col_range(width + kv_width, width + 2 * kv_width);
  inputs.offsets = call.batch.offsets;
  inputs.key_counts = call.batch.key_counts;
  inputs.num_heads = shape.num_heads;
  inputs.num_kv_heads = shape.num_kv_heads;
  inputs.qk_scale = shape.qk_scale;
  inputs.window_left = shape.window_left;
  inputs.window_right = shape.window_right;
  inputs.logit_scales = call.workspace.logit_scales;
  inputs.position_bias = call.position_bias.values;
  inputs.bias_max_length = call.position_bias.max_length;
  inputs.temper_position_bias = call.temper_position_bias;
  inputs.bfloat16 = shape.bfloat16;
  return inputs;
}

void SelfAttention::attend(const LayerCall& call, std::int64_t layer, ConstMatrixView x) const {
  const std::int64_t width = parts_.qkv.out_features();
  fill_logit_scales(call, layer);
  if (parts_.qkv.has_bfloat16_output()) {
    const auto qkv = matrix_in<std::uint16_t>(call.workspace.qkv, x.rows, width);
    parts_.qkv.run(call.execution, x, qkv);
    attend(call, layer, qkv);
  } else {
    const auto qkv = matrix_in<float>(call.workspace.qkv, x.rows, width);
    parts_.qkv.run(call.execution, x, qkv);
    attend(call, layer, qkv);
  }
}

void SelfAttention::attend(const LayerCall& call, std::int64_t layer, MatrixView qkv) const {
  const AttentionShape& shape = parts_.shape;
  const std::int64_t width = shape.num_heads * shape.head_dim;
  const std::int64_t qk_width = width + shape.num_kv_heads * shape.head_dim;
  if (parts_.query_norm) normalize_heads(call.execution, parts_.query_norm, shape.head_dim, qkv.col_range(0, width));
  if (parts_.key_norm) normalize_heads(call.execution, parts_.key_norm, shape.head_dim, qkv.col_range(width, qk_width));
  if (parts_.value_norm) {
    normalize_heads(call.execution, parts_.value_norm, shape.head_dim, qkv.col_range(qk_width, qkv.cols));
  }
  if (parts_.rotary != nullptr) parts_.rotary->rotate(call.execution, call.batch, qkv.col_range(0, qk_width));
  AttentionInputs attention_inputs = inputs(call, qkv);
  std::unique_ptr<LogitBias> logit_bias;
  if (parts_.logit_bias != nullptr) {
    logit_bias = parts_.logit_bias->prepare(call.execution, call.batch, attention_inputs.q, attention_inputs.k);
    attention_inputs.logit_bias = logit_bias.get();
  }
  if (call.observer != nullptr) call.observer->on_attention(layer, call.batch, attention_inputs);
  attention(call.execution, attention_inputs, attended<float>(call));
}

void SelfAttention::attend(const LayerCall& call, std::int64_t layer, Bfloat16View qkv) const {
  if (call.observer != nullptr) {
    const auto wide = matrix_in<float>(call.workspace.observed, qkv.rows, qkv.cols);
    for (std::int64_t row = 0; row < qkv.rows; ++row) from_bfloat16(qkv.row_span(row), wide.row_span(row));
    call.observer->on_attention(layer, call.batch, inputs(call, wide));
  }
  attention(call.execution, inputs(call, qkv), attended<std::uint16_t>(call));
}

void SelfAttention::project(const LayerCall& call, std::span<const std::int64_t> kept, MatrixView y) const {
  if (parts_.qkv.has_bfloat16_output()) {
    parts_.output.run(call.execution, ConstBfloat16View(keep_rows(kept, attended<std::uint16_t>(call))), y);
  } else {
    parts_.output.run(call.execution, ConstMatrixView(keep_rows(kept, attended<float>(call))), y);
  }
}

}  // namespace treble::internal
