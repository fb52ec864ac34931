// Which instruction set Highway's tables point at.
#pragma once

#include <hwy/targets.h>

namespace treble::internal::simd {

/// Detects the CPU once, before a function is taken from a table: an undecided table holds a slow detour.
inline void choose_target() {
  hwy::ChosenTarget& chosen = hwy::GetChosenTarget();
  if (!chosen.IsInitialized()) chosen.Update(hwy::SupportedTargets());
}

}  // namespace treble::internal::simd
