// A temperature as numbers for one model: the logit scale of every layer and head.
#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include "models/encoder_config.h"
#include "treble/temperature.h"

namespace treble::internal {

class LogitScales {
 public:
  /// Throws Error{invalid_argument} for a temperature that depends on the length of texts.
  LogitScales(const Temperature& temperature, const EncoderConfig& config);

  /// [layer][head]; there is at least one of each.
  explicit LogitScales(std::vector<std::vector<double>> layers) : layers_(std::move(layers)) {}

  /// Of the heads of a layer.
  const std::vector<double>& of_layer(std::int64_t layer) const { return layers_[static_cast<std::size_t>(layer)]; }
  std::int64_t num_layers() const noexcept { return static_cast<std::int64_t>(layers_.size()); }
  bool equal_over_layers() const;
  bool equal_over_heads() const;
  /// Whether they change nothing.
  bool is_identity() const;

 private:
  std::vector<std::vector<double>> layers_;
};

}  // namespace treble::internal
