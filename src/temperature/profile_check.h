// What makes a profile well formed.
#pragma once

#include <string>

#include "treble/error.h"
#include "treble/temperature_profile.h"

namespace treble::internal {

/// Throws Error{code} with `origin` in front unless lengths rise from at least 1, the table is rectangular, and every
/// scale is between 1/1000 and 1000.
void check_profile(const TemperatureProfile& profile, const std::string& origin, ErrorCode code);

}  // namespace treble::internal
