// A transformer encoder with its weights: token ids in, hidden states out.
#pragma once

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "layers/embeddings.h"
#include "layers/encoder_layer.h"
#include "layers/norm.h"
#include "layers/position_bias.h"
#include "layers/rotary.h"
#include "layers/state_space_layer.h"
#include "layers/token_convolution.h"
#include "models/encoder_config.h"
#include "safetensors/safetensors.h"

namespace treble::internal {

/// How long texts may be, and what positions they get.
struct LengthPlan {
  std::int64_t max_tokens = 0;
  PositionExtension extension = PositionExtension::none;
  /// What the model's files ask for beyond the positions it was trained with: rotary positions, computed rather than
  /// looked up, go on there as before. 0: nothing.
  std::int64_t stated = 0;

  /// Positions that need no extension.
  std::int64_t trained(const EncoderConfig& config) const noexcept {
    return config.learned_positions ? config.max_tokens() : std::max(config.max_tokens(), stated);
  }
};

/// What a pass needs besides the batch.
struct EncoderCall {
  const Execution& execution;
  LayerWorkspace& workspace;
  /// One a sequence of the batch, or one for all; none: the model as trained.
  std::span<const Temperature> temperatures = {};
  bool temper_position_bias = true;
  /// Likewise.
  std::span<const StateControl> state_controls = {};
  /// The batch's only text goes on from here, and from where this is left; nullptr: all texts are whole. Of recurrent
  /// models alone.
  RecurrentState* carried = nullptr;
  AttentionObserver* observer = nullptr;
  /// The tokens (rising) whose hidden states are wanted; empty: all. The last layer then spares the others what follows
  /// attention. Not with an observer, nor with a model that convolves the output of its only layer.
  std::span<const std::int64_t> kept_tokens = {};
};

/// A block with attention, or one with a state.
using AnyLayer = std::variant<EncoderLayer, StateSpaceLayer>;

/// Immutable once built; `run` may be called from several threads at once, each with a workspace of its own.
class Encoder {
 public:
  struct Parts {
    EncoderConfig config;
    /// Kept alive, as the word embeddings may lie in its mapped file.
    TensorArchive archive;
    /// The word embeddings when they could not be used in place (F16, BF16, misaligned).
    AlignedBuffer<float> words;
    EmbeddingLayer embeddings;
    /// None, one that all layers share, or one a layer.
    std::vector<PositionBias> position_bias;
    /// Referred to by layers, so they may not move: of layers with a view of everything, and of local ones.
    std::unique_ptr<const RotaryTable> rotary;
    std::unique_ptr<const RotaryTable> local_rotary;
    /// One a group of layers that share their weights; most models have a group a layer.
    std::vector<AnyLayer> groups;
    std::optional<TokenConvolution> convolution;
    Norm final_norm;
    std::optional<Linear> output_projection = {};
    std::int64_t num_parameters = 0;
    std::string weights_dtype;
    /// Of recurrent models that predict the next token: [vocabulary, hidden], the word embeddings or a head of its own.
    ConstMatrixView output_embeddings = {};
    AlignedBuffer<float> head = {};  ///< where they could not be used in place
    std::string prefix = {};         ///< what stands before the encoder's names in the archive
  };

  explicit Encoder(Parts parts);

  /// The hidden states of the last layer, [total_tokens, output width] or [kept_tokens, output width]; they live in the
  /// workspace until its next use. Throws Error{invalid_argument} for tokens outside the vocabulary or texts beyond the
  /// positions, Error{internal} for another number of temperatures.
  ConstMatrixView run(const EncoderCall& call, const PackedBatch& batch) const;

  /// Whether a call may ask for some tokens only.
  bool can_keep_tokens() const noexcept { return !(parts_.convolution && parts_.config.num_layers == 1); }

  /// The table of words: [vocabulary, embedding size].
  const StoredRows& word_embeddings() const noexcept { return parts_.embeddings.words(); }

  /// No rows: the model has no language-model head.
  ConstMatrixView output_embeddings() const noexcept { return parts_.output_embeddings; }

  const EncoderConfig& config() const noexcept { return parts_.config; }
  /// Attention modules on which a temperature acts.
  std::int64_t tempered_layers() const noexcept { return is_recurrent() ? 0 : parts_.config.num_layers; }
  /// Whether it reads a text from its first token to its last, and can do so in segments.
  bool is_recurrent() const noexcept { return parts_.config.state_space.enabled; }
  /// Whether the hidden states of a long text may be had in segments.
  bool runs_in_segments() const noexcept { return is_recurrent() || parts_.config.is_static(); }
  std::int64_t num_parameters() const noexcept { return parts_.num_parameters; }
  const std::string& weights_dtype() const noexcept { return parts_.weights_dtype; }
  /// The checkpoint, for whoever reads a head beside the encoder, and what stands before the encoder's names there.
  const TensorArchive& archive() const noexcept { return parts_.archive; }
  const std::string& prefix() const noexcept { return parts_.prefix; }
  const std::vector<std::filesystem::path>& weight_files() const noexcept { return parts_.archive.files(); }

 private:
  Parts parts_;
};

}  // namespace treble::internal
