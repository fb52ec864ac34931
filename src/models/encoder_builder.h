// Makes the layers of one model out of its config, its names and its weights.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "models/encoder.h"
#include "models/prepared_layers.h"
#include "models/weight_loader.h"

namespace treble::internal {

class EncoderBuilder {
 public:
  /// All referred-to objects outlive the builder; `calibration` and `prepared`, which int8 layers are taken from, may
  /// be null.
  EncoderBuilder(const WeightLoader& loader, const WeightNames& names, const EncoderConfig& config,
                 const LengthPlan& lengths, ComputeType type, Int8Calibration* calibration,
                 const PreparedLayers* prepared);

  EmbeddingLayer embeddings(AlignedBuffer<float>& words) const;
  /// T5's and MPNet's buckets, or ALiBi's slopes: one bias that all layers share, or one a layer (umT5). None where the
  /// model has no such bias.
  std::vector<PositionBias> position_bias() const;
  /// For layers with or without a local window; an empty table where the model has no rotary positions.
  RotaryTable rotary(bool local) const;
  /// The rotary table is that of the layer's kind, nullptr for none.
  AnyLayer layer(std::int64_t group, bool local, const RotaryTable* rotary) const;
  Norm final_norm() const;
  /// After the final norm, where the model has one.
  std::optional<Linear> output_projection() const;
  /// The convolution beside block 0, where the model has one.
  std::optional<TokenConvolution> convolution() const;

 private:
  /// A stem or whole name in the layers of a group.
  static std::string name_of(const std::string& pattern, std::int64_t group);
  Norm norm(const std::string& stem, std::int64_t size) const;
  BlockNorms block_norms(const std::string& stem, const std::string& result_stem) const;
  struct NamedShape {
    std::string name;
    std::vector<std::int64_t> shape;
  };
  struct LinearWeights {
    AlignedBuffer<float> weight;
    std::vector<float> bias = {};
  };
  using ReadWeights = std::function<LinearWeights()>;
  Linear::Options linear_options() const { return {.type = type_, .calibration = calibration_}; }
  Linear make_linear(const std::string& name, const std::vector<NamedShape>& tensors, std::int64_t out, std::int64_t in,
                     Linear::Options options, const ReadWeights& read) const;
  Linear linear(const std::vector<std::string>& stems, const std::vector<std::int64_t>& outs, std::int64_t in,
                bool bias, const Linear::Options& options) const;
  Linear qkv(std::int64_t group, bool local, bool rotates) const;
  Linear::Options intermediate_options() const;
  Linear gate_up(std::int64_t group) const;
  SelfAttention attention(std::int64_t group, bool local, const RotaryTable* rotary) const;
  FeedForward feed_forward(std::int64_t group) const;
  FeedForward expert(std::int64_t group, std::int64_t index) const;
  MixtureOfExperts mixture(std::int64_t group) const;
  PerLayerInput per_layer_input(std::int64_t group) const;
  std::shared_ptr<const LogitBiasSource> disentangled(std::int64_t group) const;
  std::vector<float> project_positions(const std::string& stem, const std::vector<float>& table) const;
  std::int64_t position_span() const;
  std::vector<float> relative_table() const;
  StateSpaceLayer state_space(std::int64_t group) const;
  std::vector<float> decay(std::int64_t group) const;
  void add_positions(EmbeddingLayer::Parts& parts) const;
  bool keeps_short_texts() const;
  PositionPlan trained_plan() const;

  const WeightLoader& loader_;
  const WeightNames& names_;
  const EncoderConfig& config_;
  const LengthPlan& lengths_;
  ComputeType type_;
  Int8Calibration* calibration_;
  const PreparedLayers* prepared_;
  PositionPlan plan_;
};

}  // namespace treble::internal
