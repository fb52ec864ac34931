// The report's numbers in words.
#pragma once

#include <string>

#include "treble/collapse_report.h"

namespace treble {

/// Two or three sentences: how much more alike long texts are than short ones, what cutting the same texts says, and
/// what each temperature changes. Says so when intervals overlap, or when there are too few texts to say anything.
std::string describe_collapse(const CollapseReport& report);

}  // namespace treble
