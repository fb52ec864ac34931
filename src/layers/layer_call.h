// What every layer of one forward pass shares.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "batch/packed_batch.h"
#include "kernels/attention.h"
#include "kernels/execution.h"
#include "layers/attention_observer.h"
#include "layers/expert_routing.h"
#include "layers/recurrent_state.h"
#include "tensor/aligned_buffer.h"
#include "treble/state_control.h"
#include "treble/temperature.h"

namespace treble::internal {

/// Activations of one call, reused from call to call; buffers grow to the largest batch. The scratch of the kernels is
/// the Execution's.
struct LayerWorkspace {
  AlignedBuffer<float> hidden;      ///< [total_tokens, hidden]
  AlignedBuffer<float> embedded;    ///< [total_tokens, embedding size], where that is not the hidden size
  AlignedBuffer<float> inputs;      ///< [total_tokens, hidden], the embeddings, of a model with per-layer inputs
  AlignedBuffer<float> output;      ///< [total_tokens, output width], of a model that projects its last hidden states
  AlignedBuffer<float> normed;      ///< [total_tokens, hidden], the input of a pre-norm sublayer
  AlignedBuffer<float> result;      ///< [total_tokens, hidden], the output of a sublayer with a norm inside
  AlignedBuffer<float> windows;     ///< [total_tokens, kernel · hidden], of a convolution
  AlignedBuffer<float> qkv;         ///< [total_tokens, (num_heads + 2 · num_kv_heads) · head_dim], maybe of bfloat16
  AlignedBuffer<float> observed;    ///< the same in float32, for the observer
  AlignedBuffer<float> attended;    ///< [total_tokens, num_heads · head_dim], of bfloat16 where qkv is
  std::vector<float> logit_scales;  ///< [num_heads, total_tokens]
  AlignedBuffer<float> projected;   ///< [total_tokens, gate + channels + heads] of a state-space layer
  AlignedBuffer<float> convolved;   ///< [total_tokens, channels]
  AlignedBuffer<float> steps;       ///< [total_tokens, heads]
  AlignedBuffer<float> scanned;     ///< [total_tokens, heads · head_dim]
  AlignedBuffer<float> lagged;      ///< the same of what has left a window
  ExpertRoutes routes;              ///< of a mixture of experts
  AlignedBuffer<float> routed;      ///< [routes, hidden]: its experts' inputs, then their results
  /// One a thread: a few rows of the feed-forward network's width, or of the per-layer inputs'.
  std::vector<AlignedBuffer<float>> intermediate;
};

/// The position bias added to the logits, expanded over distances; max_length 0 means there is none.
struct PositionBiasView {
  ConstMatrixView values;  ///< [num_heads, 2 · max_length − 1]
  std::int64_t max_length = 0;
};

struct LayerCall {
  const Execution& execution;
  const PackedBatch& batch;
  LayerWorkspace& workspace;
  /// One a sequence, or one for all.
  std::span<const Temperature> temperatures;
  bool temper_position_bias = true;
  PositionBiasView position_bias;
  /// [total_tokens, hidden]: the embeddings; of models with per-layer inputs alone.
  MatrixView inputs;
  AttentionObserver* observer = nullptr;
  /// One a sequence, or one for all.
  std::span<const StateControl> state_controls;
  /// The batch's only sequence is a segment of a text that began earlier or goes on; nullptr: texts are whole.
  RecurrentState* carried = nullptr;

  const Temperature& temperature_of(std::int64_t sequence) const {
    return temperatures[temperatures.size() == 1 ? 0 : static_cast<std::size_t>(sequence)];
  }
  const StateControl& state_control_of(std::int64_t sequence) const {
    return state_controls[state_controls.size() == 1 ? 0 : static_cast<std::size_t>(sequence)];
  }
};

}  // namespace treble::internal
