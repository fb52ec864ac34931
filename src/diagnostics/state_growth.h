// Growth of states beyond the training length: the numbers of a StateReport, and what they say.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "diagnostics/state_probe.h"
#include "treble/collapse_report.h"

namespace treble::internal {

/// Of a variance at each of `positions`. Nothing without a training length, a position on either side of it, or a
/// variance within it.
std::optional<StateGrowth> growth_of(std::span<const std::int64_t> positions, std::span<const double> variances,
                                     std::optional<std::int64_t> training_length);

/// Adds what one setting gave: its heads, thinned, layers and finding. The report has its training length.
void add_states(std::int64_t setting, const StateProbePlace& place, const StateProbe& probe, StateReport& report);

/// A sentence or two on report.states: from which token on states grow and how far, under no control and under each of
/// those compared; or why nothing can be said. Empty where the model has no states or none were looked at.
std::string describe_states(const CollapseReport& report);

/// What to do about it, a sentence each without a full stop.
std::vector<std::string> state_advice(const CollapseReport& report);

}  // namespace treble::internal
