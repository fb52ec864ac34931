#include "treble/version.h"

namespace treble {

const char* version() noexcept { return TREBLE_VERSION; }

int numerics_version() noexcept { return 1; }

}  // namespace treble
