// A temperature profile for one model, from unlabelled texts: at every length the attention of each layer is sharpened
// until it filters as it does at a reference length.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string_view>
#include <vector>

#include "treble/export.h"
#include "treble/options.h"
#include "treble/sentence_encoder.h"
#include "treble/temperature_profile.h"

namespace treble {

/// What is made equal.
enum class CalibrationTarget {
  filter_rate,  ///< the largest singular value of HC[A] (Zhou et al., arXiv 2410.24200, definition 2)
  entropy,      ///< the mean entropy of a row of A over the logarithm of the keys it sees
};

struct CalibrateOptions {
  CalibrationTarget match = CalibrationTarget::filter_rate;
  /// The length whose attention is taken as it is (s = 1).
  std::int64_t reference_length = 64;
  /// The lengths of the profile; those beyond the model's limit are an error. Empty: those of 64, 128, 256 and 512 that
  /// the model reads.
  std::vector<std::int64_t> lengths = {};
  /// Tell the heads of a layer apart.
  bool per_head = false;
  /// At most so many texts, each at least as long as the longest length, read at every length.
  std::int64_t sample = 8;
  std::uint64_t seed = 1;
  /// Prompt and position bias; temperature, truncation and max_length are ignored.
  EncodeOptions encode = {};
  /// Called after each step out of how many; may be empty. Throwing stops the calibration.
  std::function<void(std::int64_t done, std::int64_t total)> progress = {};
};

/// A place where no scale between 1/8 and 8 gives what the reference has; the profile holds the nearest.
struct UnreachedTarget {
  std::int64_t layer = 0;
  std::int64_t head = 0;
  std::int64_t length = 0;
  double wanted = 0;
  double got = 0;
};

struct Calibration {
  TemperatureProfile profile;
  std::int64_t texts = 0;
  std::vector<UnreachedTarget> unreached;
};

/// Layers are calibrated in order, each with the scales found for those before it. Deterministic for a seed. Memory
/// grows with heads · length²; time with lengths · layers. Throws Error{invalid_argument} for lengths that the model
/// cannot read or that too few texts have, naming both; what SentenceEncoder::encode throws.
TREBLE_API Calibration calibrate(const SentenceEncoder& encoder, std::span<const std::string_view> texts,
                                 const CalibrateOptions& options);

}  // namespace treble
