// What a sweep says about texts that the model does not read to their end.
#pragma once

#include <string>
#include <vector>

#include "treble/sweep.h"

namespace treble::internal {

/// Of a report whose settings and readings are there: a sentence for each side of which a substantial share is never
/// read by the untouched model, and what of that could be tried and was not. Names the fields of SweepOptions.
std::vector<std::string> reading_advice(const SweepReport& report, const SentenceEncoder& encoder,
                                        const SweepOptions& options);

}  // namespace treble::internal
