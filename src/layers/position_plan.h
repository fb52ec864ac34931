// Which of the positions that a model was trained with stands for each position of a text; training-free extension to
// longer texts as collected by Zhu et al., "LongEmbed" (arXiv 2404.12096), section 4.
#pragma once

#include <cstdint>

#include "treble/options.h"

namespace treble::internal {

/// For texts of one length: position p of a text gets the trained position plan[p], possibly between two. Nothing is
/// stored, so a plan for a million positions costs no more than one for ten.
class PositionPlan {
 public:
  PositionPlan() = default;

  std::int64_t size() const noexcept { return length_; }
  /// 0 ≤ p < size().
  double operator[](std::int64_t p) const noexcept;

 private:
  friend PositionPlan make_position_plan(PositionExtension extension, std::int64_t length, std::int64_t trained);

  PositionExtension extension_ = PositionExtension::none;
  std::int64_t length_ = 0;
  std::int64_t trained_ = 0;
};

/// Positions for texts of `length` tokens, of a model trained with `trained`:
///   none         p; length must not exceed trained
///   interpolate  p · trained / length      (Chen et al., arXiv 2306.15595)
///   group        ⌊p / g⌋, g = ⌈length / trained⌉
///   recur        p mod trained
///   ntk          p: the rotary base changes instead (see ntk_base)
/// Up to `trained` positions every plan is p itself. Throws Error{invalid_argument} naming both sizes.
/// The …_long kinds as those without: this is the plan of their long texts.
PositionPlan make_position_plan(PositionExtension extension, std::int64_t length, std::int64_t trained);

/// Whether an extension leaves texts of up to the trained positions as they are (…_long).
bool keeps_short_texts(PositionExtension extension);

/// Whether an extension changes the rotary base (ntk, ntk_long).
bool changes_rotary_base(PositionExtension extension);

/// base · (length / trained)^(dim / (dim − 2)), and base itself up to `trained` (NTK-aware scaling of rotary
/// embeddings).
double ntk_base(double base, std::int64_t dim, std::int64_t length, std::int64_t trained);

}  // namespace treble::internal
