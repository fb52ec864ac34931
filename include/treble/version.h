// Which Treble this is: its version, the commit it was built from, what it runs on and with.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "treble/export.h"

namespace treble {

/// "0.1.0" and so on; never null, static storage.
TREBLE_API const char* version() noexcept;

/// A whole number that is raised whenever this engine may give other vectors than before for the same model, texts and
/// options. Vectors under different numbers are not mixed: neither an output nor a cache goes on with the other's.
TREBLE_API int numerics_version() noexcept;

/// The first twelve digits of the Git commit that was built, or "unknown" outside a repository; never null, static
/// storage. Changes that were not committed do not show.
TREBLE_API const char* git_commit() noexcept;

/// The instruction sets in use on this CPU: of GEMMs with weights, and of attention and what lies between.
TREBLE_API std::string cpu_path();

/// (name, version) of the libraries that vectors depend on: oneDNN, Highway, tokenizers.
TREBLE_API std::vector<std::pair<std::string, std::string>> library_versions();

}  // namespace treble
