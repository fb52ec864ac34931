// The states of a report for a terminal.
#pragma once

#include <string>

#include "treble/collapse_report.h"

namespace treble::internal {

/// A block a setting, a row a layer: its worst head. Empty where there are no states.
std::string state_table(const CollapseReport& report);

}  // namespace treble::internal
