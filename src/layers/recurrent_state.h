// What state-space layers carry from one segment of a text to the next.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

namespace treble::internal {

/// Of one layer, for one text.
struct LayerState {
  std::vector<float> scan;         ///< [num_heads, state_size, head_dim]
  std::vector<float> convolution;  ///< [kernel − 1, channels]
  /// Of a window (StateControl): the state R tokens ago, and the convolved inputs and steps of the last R tokens.
  std::vector<float> lagged_scan;
  std::vector<float> recent_inputs;  ///< [min(R, tokens), channels]
  std::vector<float> recent_steps;   ///< [min(R, tokens), num_heads]
  /// [num_heads]: the sum of ln α so far, of which the first token's contribution is what exp of it retains.
  std::vector<double> log_retention;
};

/// Of all layers, for one text. Default-constructed: before its first token.
struct RecurrentState {
  std::vector<LayerState> layers;
  std::int64_t tokens = 0;  ///< read so far
  /// Of the whole text, where that is known: a window that is no shorter has nothing to do.
  std::optional<std::int64_t> total_tokens = {};
};

}  // namespace treble::internal
