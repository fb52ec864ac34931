#include "layers/position_plan.h"

#include <cmath>

#include "base/fail.h"

namespace treble::internal {

namespace {

/// Neighbors share a position, as few of them as let the text fit.
std::int64_t grouped_position(std::int64_t p, std::int64_t length, std::int64_t trained) {
  const std::int64_t group = (length + trained - 1) / trained;
  return p / group;
}

}  // namespace

double PositionPlan::operator[](std::int64_t p) const noexcept {
  const auto position = static_cast<double>(p);
  switch (extension_) {
    case PositionExtension::interpolate:
    case PositionExtension::interpolate_long:
      return position * static_cast<double>(trained_) / static_cast<double>(length_);
    case PositionExtension::group:
    case PositionExtension::group_long: return static_cast<double>(grouped_position(p, length_, trained_));
    case PositionExtension::recur: return static_cast<double>(p % trained_);
    case PositionExtension::none:
    case PositionExtension::ntk:
    case PositionExtension::ntk_long: return position;
  }
  return position;
}

PositionPlan make_position_plan(PositionExtension extension, std::int64_t length, std::int64_t trained) {
  if (length < 1 || (extension == PositionExtension::none && length > trained)) {
    fail(ErrorCode::invalid_argument,
         "a text of {} positions, the model has 1 to {}; ModelOptions::extension gives it more", length, trained);
  }
  PositionPlan plan;
  plan.extension_ = length <= trained ? PositionExtension::none : extension;
  plan.length_ = length;
  plan.trained_ = trained;
  return plan;
}

bool keeps_short_texts(PositionExtension extension) {
  return extension == PositionExtension::interpolate_long || extension == PositionExtension::group_long ||
         extension == PositionExtension::ntk_long;
}

bool changes_rotary_base(PositionExtension extension) {
  return extension == PositionExtension::ntk || extension == PositionExtension::ntk_long;
}

double ntk_base(double base, std::int64_t dim, std::int64_t length, std::int64_t trained) {
  if (length <= trained || dim <= 2) return base;
  const double stretch = static_cast<double>(length) / static_cast<double>(trained);
  return base * std::pow(stretch, static_cast<double>(dim) / static_cast<double>(dim - 2));
}

}  // namespace treble::internal
