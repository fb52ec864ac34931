// What makes a table of norms well formed.
#pragma once

#include <string>

#include "treble/error.h"
#include "treble/state_control.h"

namespace treble::internal {

/// Throws Error{code} with `origin` in front unless the table is rectangular, not empty, and every norm finite and
/// above 0.
void check_norms(const StateNorms& norms, const std::string& origin, ErrorCode code);

}  // namespace treble::internal
