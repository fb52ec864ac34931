// The version of the Treble library, as MAJOR.MINOR.PATCH.
#pragma once

namespace treble {

/// "0.1.0" and so on; never null, static storage.
const char* version() noexcept;

/// A whole number that is raised whenever this engine may give other vectors than before for the same model, texts and
/// options. Vectors under different numbers are not mixed: neither an output nor a cache goes on with the other's.
int numerics_version() noexcept;

}  // namespace treble
