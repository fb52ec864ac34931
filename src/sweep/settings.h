// The settings of a sweep, in the order in which they are tried.
#pragma once

#include <vector>

#include "treble/sweep.h"

namespace treble::internal {

/// The untouched model first; then every form of the model at every temperature, then the baselines; none twice.
std::vector<SweepSetting> settings_of(const SweepOptions& options);

}  // namespace treble::internal
