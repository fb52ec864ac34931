// The temperature of attention (TempScale; Zhou et al., arXiv 2410.24200, section 5):
//   softmax((Q K^T / sqrt(d) + bias) / tau + mask)
// tau < 1 sharpens attention, which lets more of the high frequencies of long texts through; tau = 1 is the model as
// trained, bit for bit.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace treble {

/// A temperature schedule. Immutable and cheap to copy; may be used from several threads.
class Temperature {
 public:
  /// tau = 1: the untouched model.
  Temperature() = default;

  /// One value for every layer, head and length. Throws Error{invalid_argument} unless tau is finite and > 0.
  static Temperature constant(double tau);

  /// Reads the written form, "0.8". Throws Error{invalid_argument} with the forms that are understood.
  static Temperature parse(std::string_view text);

  /// The logit scale s = 1 / tau with which the attention logits are multiplied.
  double logit_scale() const noexcept { return logit_scale_; }
  double logit_scale(std::int64_t, std::int64_t, std::int64_t) const noexcept { return logit_scale_; }

  /// True when nothing is changed (s = 1 exactly).
  bool is_identity() const noexcept { return logit_scale_ == 1.0; }

  /// The written form that `parse` reads back: "0.8".
  std::string to_string() const;

 private:
  double tau_ = 1.0;
  double logit_scale_ = 1.0;
};

}  // namespace treble
