// Which data can be written as a TREC run.
#pragma once

#include "treble/sweep.h"

namespace treble::internal {

/// Throws Error{invalid_argument} for pairs, and Error{invalid_file} naming the first id that is empty or has white
/// space.
void check_run_ids(const SweepData& data);

}  // namespace treble::internal
