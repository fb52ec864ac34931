// What to do about what an inspection found.
#pragma once

#include <string>
#include <vector>

#include "treble/collapse_report.h"

namespace treble::internal {

/// The decision table of docs/evidence.md, for these texts: a sentence each without a full stop. After
/// `report.findings`.
std::vector<std::string> collapse_advice(const CollapseReport& report);

}  // namespace treble::internal
