// The version of the `tokenizers` crate.
#pragma once

#include <string>

namespace treble::internal {

/// "0.23.2".
std::string tokenizers_crate_version();

}  // namespace treble::internal
