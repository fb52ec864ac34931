#include "kernels/simd/library_version.h"

#include <hwy/base.h>
#include <hwy/targets.h>

namespace treble::internal::simd {

std::string library_version() { return TREBLE_HIGHWAY_VERSION; }

std::string target_name() {
  // A better instruction set has a lower bit.
  const std::int64_t usable = hwy::SupportedTargets() & HWY_TARGETS;
  return hwy::TargetName(usable & -usable);
}

}  // namespace treble::internal::simd
