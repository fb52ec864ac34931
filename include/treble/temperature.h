// The temperature of attention (TempScale; Zhou et al., arXiv 2410.24200, section 5):
//   softmax((Q K^T / sqrt(d) + bias) / tau + mask)
// tau < 1 sharpens attention, which lets more of the high frequencies of long texts through; tau = 1 is the model as
// trained, bit for bit. A schedule lets tau depend on the number of keys attended, on the layer and on the head.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "treble/export.h"
#include "treble/temperature_profile.h"

namespace treble {

/// A temperature schedule: the logit scale s = 1/tau for each layer, head and number of keys n. Immutable, cheap to
/// copy; may be used from several threads. n counts the keys that a query really attends to: a text's tokens, the
/// tokens so far in causal models, those in the window in local layers.
///
///   written as        s(n)
///   0.8               1 / 0.8
///   log:N0            max(1, ln n / ln N0): texts of up to N0 tokens are untouched, bit for bit
///   ssmax:S[,B]       S ln n + B (Nakanishi, arXiv 2501.19399)
///   yarn:N0           (0.1 ln(max(1, n / N0)) + 1)² (Peng et al., arXiv 2309.00071, section 3.4)
///   match:FILE        a profile (see temperature_profile.h); also FILE alone where it ends in .json
class Temperature {
 public:
  /// tau = 1: the untouched model.
  Temperature() = default;

  /// One value for every layer, head and length. Throws Error{invalid_argument} unless tau is finite and > 0.
  TREBLE_API static Temperature constant(double tau);

  /// Reads a written form. Throws Error{invalid_argument} with the forms that are understood; for a profile what
  /// read_profile throws.
  TREBLE_API static Temperature parse(std::string_view text);

  /// A profile in memory; `name` stands for its file in the written form. Throws Error{invalid_argument} when it is not
  /// well formed.
  TREBLE_API static Temperature from_profile(TemperatureProfile profile, std::string name);

  /// The logit scale for a query that attends to n ≥ 1 keys.
  TREBLE_API double logit_scale(std::int64_t layer, std::int64_t head, std::int64_t n) const noexcept;

  /// True when nothing is changed (s = 1 exactly, everywhere).
  bool is_identity() const noexcept { return schedule_ == nullptr; }

  /// True when s differs between some n. Such a schedule cannot be baked into weights.
  TREBLE_API bool depends_on_length() const noexcept;

  /// Throws Error{invalid_argument} naming both sizes when the schedule is a profile for another number of layers or
  /// heads.
  TREBLE_API void check_fits(std::int64_t num_layers, std::int64_t num_heads) const;

  /// The written form that `parse` reads back: "0.8", "log:128".
  TREBLE_API std::string to_string() const;

  /// What determines the logit scales, and nothing else: the written form, of a profile "profile:" and the SHA-256 of
  /// its lengths and scales, whatever its file is called. Two temperatures with equal canonical forms give equal
  /// vectors.
  TREBLE_API std::string canonical() const;

 private:
  class Schedule;
  struct Constant;
  struct LogLength;
  struct ScalableSoftmax;
  struct Yarn;
  struct Profile;
  explicit Temperature(std::shared_ptr<const Schedule> schedule) : schedule_(std::move(schedule)) {}

  std::shared_ptr<const Schedule> schedule_;  ///< nullptr: the identity
};

}  // namespace treble
