// Where a family keeps its tensors.
#pragma once

#include <string>
#include <vector>

namespace treble::internal {

/// Stems: ".weight" and ".bias" follow. In the layers' stems "{}" stands for the layer's number (or its group's). An
/// empty stem: the family has no such tensor.
struct WeightNames {
  /// What may stand before every name ("bert."); the bare name is tried first.
  std::vector<std::string> prefixes;

  std::string word_embeddings;
  std::string position_embeddings;
  std::string token_type_embeddings;
  std::string embedding_norm;
  std::string embedding_projection;  ///< embedding size → hidden
  std::string relative_bias;
  std::string relative_embeddings;       ///< DeBERTa's table of relative positions
  std::string relative_embeddings_norm;  ///< and its norm
  std::string convolution;               ///< beside block 0
  std::string convolution_norm;
  std::string final_norm;

  /// Either the three, or `qkv` with their rows in this order.
  std::string query;
  std::string key;
  std::string value;
  std::string qkv;
  std::string query_norm;
  std::string key_norm;
  std::string position_query;  ///< DeBERTa's own projections of positions, without share_att_key
  std::string position_key;
  std::string attention_output;

  /// The norm of the half: after it (post-norm) or before it (pre-norm, sandwich).
  std::string attention_norm;
  std::string feed_forward_norm;
  /// Sandwich only: on the half's result, before it is added.
  std::string attention_result_norm;
  std::string feed_forward_result_norm;

  /// Plain: `up`. Gated: `gate` and `up`, or `gate_up` with both, in the order that gate_first says.
  std::string up;
  std::string gate;
  std::string gate_up;
  bool gate_first = true;
  std::string down;

  /// A mixture of experts, in the layers that have one. `expert_up` and `expert_down` are whole names, and hold the
  /// rows of all experts, [experts · width, hidden]: the second is stored the other way round than `down`. The bias is
  /// one for all, a whole name.
  std::string expert_router;
  std::string expert_up;
  std::string expert_down;
  std::string expert_bias;

  /// The sublayer of per-layer inputs: `per_layer_signal` holds the rows of all layers, its norm is one for all.
  std::string per_layer_signal;
  std::string per_layer_signal_norm;
  std::string per_layer_gate;
  std::string per_layer_output;
  std::string per_layer_result_norm;
  std::string layer_scale;        ///< a whole name
  std::string output_projection;  ///< after the final norm

  /// Of a state-space layer, in place of attention and feed-forward network; its norm is `attention_norm`. Step bias,
  /// decay and skip are whole names.
  std::string state_input;
  std::string state_convolution;
  std::string state_step_bias;
  std::string state_decay;
  std::string state_skip;
  std::string state_norm;
  std::string state_output;
};

}  // namespace treble::internal
