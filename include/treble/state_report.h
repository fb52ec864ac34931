// The states of a state-space model (Mamba-2) in an inspection, head by head over the tokens that they have read: do
// they keep growing beyond the length of the training texts ("state collapse"; Chen et al., "Stuffed Mamba", arXiv
// 2410.07145), and what does a state control (treble/state_control.h) change? What each measure is:
// docs/diagnostics.md.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace treble {

/// A head's state after some tokens, over its state_size x head_dim entries; means over the texts that are as long.
struct StateEstimate {
  double mean = 0;       ///< of the entries
  double variance = 0;   ///< of the entries around their mean
  double rms = 0;        ///< √ of the mean square of the entries
  double retention = 0;  ///< ∏ α: how much of what the first token contributed is left, 0 to 1
};

/// How a variance goes on beyond the training length, as multiples of its largest within it.
struct StateGrowth {
  double trained_variance = 0;             ///< the largest at positions up to the training length, above 0
  double largest = 0;                      ///< the largest beyond, divided by it
  double last = 0;                         ///< the one at the last position, divided by it
  std::optional<std::int64_t> collapse{};  ///< tokens at the first position where it is above kStateCollapseRatio
};

/// A variance beyond this multiple of its largest within the training length is a collapse.
inline constexpr double kStateCollapseRatio = 10;

/// One head under one setting.
struct StateHead {
  std::int64_t setting = 0;             ///< index into CollapseReport::settings
  std::int64_t layer = 0;               ///< from 0
  std::int64_t head = 0;                ///< from 0
  std::vector<StateEstimate> at{};      ///< [position of StateReport::positions]
  std::optional<StateGrowth> growth{};  ///< unset: no training length, no text beyond it, or a state of zeros within it
};

/// One layer under one setting.
struct StateLayer {
  std::int64_t setting = 0;             ///< index into CollapseReport::settings
  std::int64_t layer = 0;               ///< from 0
  std::int64_t worst_head = 0;          ///< the one of the largest StateGrowth::largest; without a growth, variance
  std::optional<StateGrowth> growth{};  ///< of the largest variance of its heads at each position
};

/// One setting, all layers.
struct StateFinding {
  std::int64_t setting = 0;                ///< index into CollapseReport::settings
  std::int64_t layer = 0;                  ///< of the head whose variance grows most
  std::int64_t head = 0;                   ///< that head
  std::optional<StateGrowth> worst{};      ///< of that head
  std::optional<StateGrowth> maximum{};    ///< of the largest variance of all heads at each position
  std::optional<std::int64_t> collapse{};  ///< tokens at the first position where any head is above the ratio
  std::int64_t collapsed_heads = 0;        ///< heads that are anywhere
};

/// The states of the sampled texts.
struct StateReport {
  /// Tokens read, rising, multiples of 64: at most about 64 of them, evenly spaced and further apart towards the end.
  /// Growth is judged at up to 512 positions, every multiple of 64 up to 32,768 tokens.
  std::vector<std::int64_t> positions;
  std::vector<std::int64_t> texts;                ///< [position]: texts that are as long
  std::optional<std::int64_t> training_length{};  ///< in tokens; unset: unknown, and nothing is said of growth
  std::string training_length_source;             ///< "asked for", or where the model's files state it; may be empty
  std::int64_t longest_text = 0;                  ///< tokens of the longest text that was looked at
  std::vector<StateHead> heads;                   ///< by setting, layer, head
  std::vector<StateLayer> layers;                 ///< by setting, layer
  std::vector<StateFinding> findings;             ///< [setting], of those that run the model
};

}  // namespace treble
