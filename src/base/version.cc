#include "treble/version.h"

namespace treble {

const char* version() noexcept { return TREBLE_VERSION; }

}  // namespace treble
