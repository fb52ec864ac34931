// The switches in which encoder families differ. A family file fills them in; nothing else of a family is code.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "kernels/activation.h"
#include "kernels/attention.h"
#include "layers/embeddings.h"
#include "layers/norm.h"
#include "layers/position_bias.h"
#include "layers/rotary_scaling.h"

namespace treble::internal {

/// Where the norms of a block stand; see BlockNorms.
enum class NormPlacement { post, pre, sandwich };

/// The sliding window of local layers: how far from the query its keys are at most.
struct LocalWindow {
  std::int64_t left = AttentionInputs::kUnlimited;
  std::int64_t right = AttentionInputs::kUnlimited;
  /// One a layer: true where the window holds.
  std::vector<bool> layers = {};
};

/// DeBERTa's disentangled attention (He et al., arXiv 2006.03654; v3: 2111.09543).
struct DisentangledConfig {
  bool enabled = false;
  bool position_to_content = false;  ///< "p2c" in pos_att_type
  bool content_to_position = false;  ///< "c2p"
  bool share_key = false;            ///< share_att_key: positions go through the layer's own query and key weights
  bool normalize_embeddings = false;
  std::int64_t buckets = 0;  ///< position_buckets; 0: distances are not bucketed
  std::int64_t max_relative = 0;
};

/// Mamba-2's layers (Dao & Gu, arXiv 2405.21060), which have no attention and no feed-forward network.
struct StateSpaceConfig {
  bool enabled = false;
  std::int64_t state_size = 0;
  std::int64_t num_groups = 0;   ///< of heads that share B and C, and of the gated norm
  std::int64_t conv_kernel = 0;  ///< tokens that the convolution sees
  bool conv_bias = true;
  bool projection_bias = false;
  /// Whether the word embeddings predict the next token; unset: the file does not say.
  std::optional<bool> tied_head = {};
  double min_step = 0;
  double max_step = 0;  ///< of Δ after softplus
};

/// Layers with a mixture of experts in the place of their feed-forward network; see MixtureOfExperts.
struct ExpertsConfig {
  std::int64_t count = 0;   ///< of a layer; 0: no layer has any
  std::int64_t active = 0;  ///< that a token goes through
  std::int64_t width = 0;   ///< of each
  bool normalized = false;  ///< the weights of a token's experts add up to 1
  /// One a layer: true where they are.
  std::vector<bool> layers = {};
};

/// Key-value heads, and how wide all heads are.
struct HeadSizes {
  std::int64_t width = 0;
  std::int64_t kv_heads = 0;
};

struct EncoderConfig {
  std::string model_type;
  std::string architecture;
  std::int64_t vocab_size = 0;
  std::int64_t embedding_size = 0;  ///< width of the embeddings; 0: the hidden size
  /// A projection from the embeddings to the hidden size even where the two are equal (ALBERT).
  bool always_projects_embeddings = false;
  std::int64_t hidden_size = 0;
  std::int64_t num_layers = 0;
  /// Layers that have weights of their own; the others repeat them group-wise (ALBERT). 0: all.
  std::int64_t num_layer_groups = 0;
  std::int64_t num_heads = 0;                 ///< of attention, or of the states
  std::int64_t num_kv_heads = 0;              ///< 0: as many as heads
  std::int64_t head_dim = 0;                  ///< 0: hidden_size / num_heads
  std::optional<HeadSizes> local_heads = {};  ///< of layers with a local window; unset: as in all others
  std::int64_t intermediate_size = 0;

  /// Positions the model was trained with. For models that have no limit of their own, their config's figure, or
  /// kPracticalLimit where it has none.
  std::int64_t num_positions = 0;
  bool learned_positions = false;
  std::int64_t position_offset = 0;  ///< row of the first token in the learned table
  /// A token that gets no position of its own and does not advance it (RoBERTa's padding token).
  std::optional<std::int32_t> padding_idx = {};
  /// No table, rotation or training limit forbids longer texts (relative bias, ALiBi).
  bool unlimited_positions = false;
  RotaryConfig rotary = {};
  std::optional<RotaryConfig> local_rotary = {};  ///< of layers with a local window; unset: the same
  RelativeBuckets relative_buckets = {};
  /// Every layer has a table of relative bias of its own (umT5); else all share one.
  bool bias_per_layer = false;
  bool alibi = false;
  DisentangledConfig disentangled = {};
  StateSpaceConfig state_space = {};

  std::int64_t convolution_kernel = 0;  ///< of a convolution beside block 0; 0: none (DeBERTa v2 xlarge has one)
  Activation convolution_activation = Activation::tanh;

  std::int64_t num_token_types = 0;  ///< 0: the family has none
  double embedding_scale = 1;
  PlaceholderTokens placeholders = {};
  bool embedding_norm = true;

  NormKind norm_kind = NormKind::layer;
  NormPlacement norm_placement = NormPlacement::post;
  bool norm_bias = true;
  bool norm_plus_one = false;        ///< the gain is 1 + what is stored (Gemma)
  bool first_attention_norm = true;  ///< false: block 0 has no norm before its attention (ModernBERT)
  bool final_norm = false;
  bool qk_norm = false;
  bool value_norm = false;  ///< of each head's values, RMS without a gain
  double norm_eps = 1e-12;

  double qk_scale = 0;  ///< 0: 1 / sqrt(head_dim)
  bool causal = false;
  LocalWindow window = {};
  bool qkv_bias = true;
  bool output_bias = true;  ///< of attention's output layer
  Activation activation = Activation::gelu;
  bool gated = false;
  bool up_bias = true;
  bool down_bias = true;
  ExpertsConfig experts = {};

  /// Every block ends with a third sublayer that is gated by a projection, this wide, of the embeddings (the per-layer
  /// inputs of Gemma 3n and its followers, without a table of their own). 0: none.
  std::int64_t per_layer_width = 0;
  bool layer_scale = false;      ///< a stored number multiplies what a block gives
  std::int64_t output_size = 0;  ///< width of a projection after the final norm; 0: none

  /// What is odd about config.json but harmless; for people, each a sentence.
  std::vector<std::string> warnings = {};

  std::int64_t embedding_width() const noexcept { return embedding_size > 0 ? embedding_size : hidden_size; }
  std::int64_t head_width() const noexcept { return head_dim > 0 ? head_dim : hidden_size / num_heads; }
  std::int64_t kv_heads() const noexcept { return num_kv_heads > 0 ? num_kv_heads : num_heads; }
  /// Of layers with or without a local window.
  HeadSizes heads_of(bool local) const noexcept {
    return local && local_heads ? *local_heads : HeadSizes{head_width(), kv_heads()};
  }
  /// Width of the hidden states that are pooled.
  std::int64_t output_width() const noexcept { return output_size > 0 ? output_size : hidden_size; }
  std::int64_t layer_groups() const noexcept { return num_layer_groups > 0 ? num_layer_groups : num_layers; }
  /// Whose weights a layer has: ⌊layer / (layers / groups)⌋ in floating point, as transformers divides.
  std::int64_t group_of(std::int64_t layer) const noexcept {
    const double layers_each = static_cast<double>(num_layers) / static_cast<double>(layer_groups());
    return static_cast<std::int64_t>(static_cast<double>(layer) / layers_each);
  }
  bool is_local(std::int64_t layer) const {
    return !window.layers.empty() && window.layers.at(static_cast<std::size_t>(layer));
  }
  bool has_experts(std::int64_t layer) const {
    return experts.count > 0 && experts.layers.at(static_cast<std::size_t>(layer));
  }
  /// Of the experts that a token does not go through.
  std::int64_t idle_parameters() const {
    const std::int64_t idle =
        std::count(experts.layers.begin(), experts.layers.end(), true) * (experts.count - experts.active);
    return idle * 2 * experts.width * hidden_size;
  }
  /// Max tokens of a text without an extension.
  std::int64_t max_tokens() const noexcept {
    return unlimited_positions ? practical_limit() : num_positions - position_offset;
  }

  /// A table of token embeddings: no layers.
  bool is_static() const noexcept { return num_layers == 0; }

  /// Token limit of one text for models without a position limit of their own, so that sizes stay sensible: states and
  /// means do not grow with a text, attention does.
  std::int64_t practical_limit() const noexcept {
    return state_space.enabled || is_static() ? kRecurrentLimit : kPracticalLimit;
  }
  static constexpr std::int64_t kPracticalLimit = std::int64_t{1} << 17;
  static constexpr std::int64_t kRecurrentLimit = std::int64_t{1} << 24;
};

/// The switches as (name, value) for people.
std::vector<std::pair<std::string, std::string>> describe(const EncoderConfig& config);

}  // namespace treble::internal
