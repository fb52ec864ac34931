// What a sweep's outcome means at a terminal.
#pragma once

#include "treble/sweep.h"

namespace treble::internal {

/// Fills in embed_arguments and commands of a report whose outcome is there.
void describe_use(const SentenceEncoder& encoder, const SweepOptions& options, SweepReport& report);

}  // namespace treble::internal
