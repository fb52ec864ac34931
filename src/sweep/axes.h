// In which ways settings differ from the untouched model, and what each way is worth.
#pragma once

#include <vector>

#include "treble/sweep.h"

namespace treble::internal {

/// The ways in which some of the settings differ; none where that is one alone. Names and numbers of settings are
/// filled in.
std::vector<SweepAxis> find_axes(const std::vector<SweepSetting>& settings);

/// Two for each axis: what it is worth alone, and beside the others.
std::vector<HeldOutContrast> contrasts_of(const std::vector<SweepAxis>& axes,
                                          const std::vector<SweepSetting>& settings);

/// The answers to contrasts_of.
void fill_axes(std::vector<HeldOutGain> answers, std::vector<SweepAxis>& axes);

}  // namespace treble::internal
