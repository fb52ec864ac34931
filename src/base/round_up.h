// Sizes in whole units.
#pragma once

#include <cstddef>

namespace treble::internal {

/// The smallest multiple of `multiple` that is not less than `value`.
constexpr std::size_t round_up(std::size_t value, std::size_t multiple) {
  return (value + multiple - 1) / multiple * multiple;
}

}  // namespace treble::internal
