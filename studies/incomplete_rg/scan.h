// Everything that the figures of README.md show.
#pragma once

#include <string>

#include "records.h"

namespace incomplete_rg {

/// Writes flows.csv, solitons.csv, transitions.csv, black_holes.csv, attractor.csv, convergence.csv and summary.json
/// into `folder`, which is made if need be, and returns the summary. Every soliton of solitons.csv and every transition
/// has been found again by collocation.
Record scan(const std::string& folder);

}  // namespace incomplete_rg
