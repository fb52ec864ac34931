// For tests: a kernel on each instruction set that this machine has.
#pragma once

#include <gtest/gtest.h>
#include <hwy/targets.h>

#include <cstdint>

namespace treble::internal::test {

/// Runs `body` once for each instruction set, the chosen one being all that Highway then sees.
template <typename Body>
void on_every_target(const Body& body) {
  const auto choose = [](std::int64_t targets) {
    hwy::SetSupportedTargetsForTest(targets);
    hwy::GetChosenTarget().Update(hwy::SupportedTargets());
  };
  for (std::int64_t targets = hwy::SupportedTargets(); targets != 0; targets &= targets - 1) {
    const std::int64_t target = targets & -targets;
    SCOPED_TRACE(hwy::TargetName(target));
    choose(target);
    body();
    choose(0);
  }
}

}  // namespace treble::internal::test
