// An optional that is known not to be empty.
#pragma once

#include "base/fail.h"

namespace treble::internal {

/// Its value. Throws Error{internal} where there is none: a fault of the caller.
template <typename Optional>
auto& required(Optional& value) {
  if (!value) fail(ErrorCode::internal, "a value that must be there is not");
  return *value;
}

}  // namespace treble::internal
