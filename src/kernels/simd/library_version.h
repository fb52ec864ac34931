// The Highway that is built in, and what it chose.
#pragma once

#include <string>

namespace treble::internal::simd {

/// "1.0.3".
std::string library_version();
/// Of the functions that this CPU gets: "AVX2", "AVX3_ZEN4", …
std::string target_name();

}  // namespace treble::internal::simd
