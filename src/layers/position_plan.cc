#include "layers/position_plan.h"

#include <algorithm>
#include <cmath>

#include "base/fail.h"

namespace treble::internal {

namespace {

/// Neighbors share a position, as few of them as let the text fit.
std::int64_t grouped_position(std::int64_t p, std::int64_t length, std::int64_t trained) {
  const std::int64_t group = (length + trained - 1) / trained;
  return p / group;
}

double trained_position(PositionExtension extension, std::int64_t p, std::int64_t length, std::int64_t trained) {
  const auto position = static_cast<double>(p);
  switch (extension) {
    case PositionExtension::interpolate:
    case PositionExtension::interpolate_long:
      return position * static_cast<double>(trained) / static_cast<double>(length);
    case PositionExtension::group:
    case PositionExtension::group_long: return static_cast<double>(grouped_position(p, length, trained));
    case PositionExtension::recur: return static_cast<double>(p % trained);
    case PositionExtension::none:
    case PositionExtension::ntk:
    case PositionExtension::ntk_long: return position;
  }
  return position;
}

}  // namespace

PositionPlan make_position_plan(PositionExtension extension, std::int64_t length, std::int64_t trained) {
  if (length < 1 || (extension == PositionExtension::none && length > trained)) {
    fail(ErrorCode::invalid_argument,
         "a text of {} positions, the model has 1 to {}; ModelOptions::extension gives it more", length, trained);
  }
  PositionPlan plan(static_cast<std::size_t>(length));
  const auto kind = length <= trained ? PositionExtension::none : extension;
  for (std::int64_t p = 0; p < length; ++p) {
    plan[static_cast<std::size_t>(p)] = trained_position(kind, p, length, trained);
  }
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
