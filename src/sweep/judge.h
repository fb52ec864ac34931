// From scores under every setting to gains, intervals and length buckets.
#pragma once

#include <functional>
#include <optional>

#include "sweep/sweep_task.h"

namespace treble::internal {

/// Asks the task, which has every one of report.settings, for metric, items and all that is measured. `check_stop` is
/// called often and throws to stop. Throws Error{invalid_argument} when the metric is not defined on some fold.
void judge_task(const SweepTask& task, const SweepOptions& options, const std::function<void()>& check_stop,
                SweepReport& report);

/// What the gain on held-out data says, for people.
std::string verdict_of(const SweepReport& report);

/// Whether a setting controls the state, so that none has a temperature.
bool tries_states(const SweepReport& report);

/// By which share a value has changed; nothing where it was near 0 before.
std::optional<double> relative_change(double after, double before);

/// "+1.23 [0.10, 2.36]", in points: metrics are shares of 1.
std::string interval_text(const Interval& interval);

/// Fewer items give a number that says nothing.
inline constexpr std::size_t kEnoughItems = 10;

}  // namespace treble::internal
