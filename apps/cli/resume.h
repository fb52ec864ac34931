// Whether an output may be gone on with: what its rows depend on must be the same.
#pragma once

#include <string>

#include "output/metadata.h"

namespace treble::cli {

/// The part of an output's metadata that its vectors depend on: all of it but names, places, times and counts, so that
/// a field that is added counts. Two runs with equal identities give equal vectors for equal texts.
Json identity_of(Json metadata);

/// Throws Error{invalid_argument} naming the first field in which `now` would give other vectors than `saved`, with
/// both values.
void check_same_run(const Json& saved, const Json& now, const std::string& path);

}  // namespace treble::cli
