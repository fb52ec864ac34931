// What a model needs to be held to what it was trained on, from unlabelled texts. Of a model with attention a
// temperature profile: at every length the attention of each layer is scaled until a statistic of it is what it is at a
// reference length. Of a model with states the norms that these had within the training length.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <stop_token>
#include <string_view>
#include <vector>

#include "treble/export.h"
#include "treble/options.h"
#include "treble/progress.h"
#include "treble/sentence_encoder.h"
#include "treble/state_control.h"
#include "treble/temperature_profile.h"

namespace treble {

/// How a profile is made.
struct CalibrateOptions {
  /// What is made equal. Longer texts spread attention, so that the entropy sharpens (s > 1), as TempScale does; the
  /// filter rate may ask for the opposite (docs/temperature.md).
  CalibrationTarget match = CalibrationTarget::entropy;
  /// The length whose attention is taken as it is (s = 1).
  std::int64_t reference_length = 64;
  /// The lengths of the profile; those beyond the model's limit are an error. Empty: those of 64, 128, 256 and 512 that
  /// the model reads.
  std::vector<std::int64_t> lengths = {};
  /// A scale for each head instead of one for the layer.
  bool per_head = false;
  /// Maximum number of texts, each at least as long as the longest length, read at every length.
  std::int64_t sample = 8;
  std::uint64_t seed = 1;  ///< of the choice of texts
  /// Prompt and position bias; temperature, truncation and max_length are ignored.
  EncodeOptions encode = {};
  /// Stage "calibrating"; steps are layers, each once for the reference and once for each length.
  ProgressCallback progress = {};
  /// Heard before each step; ends the call with Error{interrupted}.
  std::stop_token stop = {};
};

/// A place where no scale between 1/8 and 8 gives what the reference has; the profile holds the nearest.
struct UnreachedTarget {
  std::int64_t layer = 0;   ///< from 0
  std::int64_t head = 0;    ///< from 0; 0 where heads share a scale
  std::int64_t length = 0;  ///< in tokens
  double target = 0;        ///< the statistic at the reference length
  double reached = 0;       ///< the nearest that a scale gives
};

/// What a calibration gives.
struct Calibration {
  TemperatureProfile profile;              ///< complete, also where targets were not reached
  std::int64_t texts = 0;                  ///< that were measured
  std::vector<UnreachedTarget> unreached;  ///< in the order of lengths, then layers
};

/// Layers are calibrated in order, each with the scales found for those before it. Deterministic for a seed. Memory
/// grows with heads · length²; time with lengths · layers. Throws Error{invalid_argument} for lengths that the model
/// cannot read or that too few texts have, naming both; Error{unsupported} for a model without attention; what
/// SentenceEncoder::encode throws.
TREBLE_API Calibration calibrate(const SentenceEncoder& encoder, std::span<const std::string_view> texts,
                                 const CalibrateOptions& options);

/// How norms of states are measured.
struct StateNormsOptions {
  /// Tokens of the texts that the model was trained on. Unset: the limit that the model's own files state; an error
  /// where they state none.
  std::optional<std::int64_t> training_length = {};
  /// Maximum number of texts, each at least as long as the training length and cut there.
  std::int64_t sample = 64;
  std::uint64_t seed = 1;  ///< of the choice of texts
  /// The prompt; temperature, state control, truncation and max_length are ignored.
  EncodeOptions encode = {};
  /// Stage "measuring states"; steps are texts.
  ProgressCallback progress = {};
  /// Heard between texts and every 2,048 tokens; ends the call with Error{interrupted}.
  std::stop_token stop = {};
};

/// For the state control norm:FILE. Of each head the largest Frobenius norm that its state has after any of a text's
/// first `training_length` tokens; the median of these over the texts. Deterministic for a seed, the same for every
/// number of threads. Memory does not grow with the texts' length. Throws Error{unsupported} for a model without
/// states, Error{invalid_argument} for an unknown training length, one that the model cannot read or that no text has,
/// naming both; what SentenceEncoder::encode throws.
TREBLE_API StateNorms calibrate_state_norms(const SentenceEncoder& encoder, std::span<const std::string_view> texts,
                                            const StateNormsOptions& options);

}  // namespace treble
