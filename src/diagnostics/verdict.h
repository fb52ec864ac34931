// The report's numbers in words.
#pragma once

#include <string>

#include "treble/collapse_report.h"

namespace treble::internal {

/// What the shortest and the longest bucket with enough texts show, and what the cut control says of it: of texts, or
/// where report.token_vectors is set, of the vectors within them.
CollapseFindings find_collapse(const CollapseReport& report);

/// A few sentences after `report.findings`: how much more alike long texts are than short ones, how much of that
/// cutting the same texts explains, and what each temperature or state control changes; and whether states
/// grow beyond the training length. Says so when intervals overlap, or when there
/// are too few texts to say anything.
std::string describe_collapse(const CollapseReport& report);

}  // namespace treble::internal
