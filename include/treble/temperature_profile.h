// A table of logit scales over length, layer and head, and the file it is kept in.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "treble/export.h"

namespace treble {

/// What is made equal.
enum class CalibrationTarget {
  filter_rate,  ///< the largest singular value of HC[A] (Zhou et al., arXiv 2410.24200, definition 2)
  entropy,      ///< the mean entropy of a row of A over the logarithm of the keys it sees
};
/// "filter_rate", "entropy".
TREBLE_API std::string to_string(CalibrationTarget target);

/// Between two lengths s is linear in ln n; beyond the first and the last it is constant.
struct TemperatureProfile {
  std::vector<std::int64_t> lengths;  ///< rising, ≥ 1
  /// [layer][head][length], each between 1/1000 and 1000; one head stands for all heads of its layer.
  std::vector<std::vector<std::vector<double>>> logit_scales;

  // Where it comes from; empty where nobody said.
  std::string model;                         ///< its name
  std::string weights_sha256;                ///< of the encoder's weights
  std::optional<CalibrationTarget> matched;  ///< unset also where the file names something else
  std::int64_t reference_length = 0;         ///< in tokens, where s = 1
  std::int64_t texts = 0;                    ///< that were measured
  std::uint64_t seed = 0;                    ///< of their choice
  std::string treble_version;                ///< that made it
  std::string provenance;  ///< of the vectors behind it: a JSON object as of provenance_json (treble/provenance.h)

  /// That the profile is for.
  std::int64_t num_layers() const noexcept { return static_cast<std::int64_t>(logit_scales.size()); }
  /// 1 when all heads of a layer share a scale.
  std::int64_t num_heads() const noexcept {
    return logit_scales.empty() ? 0 : static_cast<std::int64_t>(logit_scales.front().size());
  }
};

/// Reads a profile ("schema": "treble.temperature_profile/1"; docs/temperature_profile.schema.json). Throws
/// Error{not_found, io} for the file, Error{invalid_file} naming file and key for what is wrong in it.
TREBLE_API TemperatureProfile read_profile(const std::filesystem::path& path);

/// What its file holds. Throws Error{invalid_argument} when the profile is not well formed.
TREBLE_API std::string to_json(const TemperatureProfile& profile);

/// Whole or not at all (treble/whole_file.h). Throws Error{invalid_argument} when the profile is not well formed,
/// Error{io}.
TREBLE_API void write_profile(const std::filesystem::path& path, const TemperatureProfile& profile);

}  // namespace treble
