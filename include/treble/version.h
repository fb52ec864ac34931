// The version of the Treble library, as MAJOR.MINOR.PATCH.
#pragma once

namespace treble {

/// "0.1.0" and so on; never null, static storage.
const char* version() noexcept;

}  // namespace treble
