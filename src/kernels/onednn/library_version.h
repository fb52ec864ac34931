// The oneDNN that is linked.
#pragma once

#include <string>

namespace treble::onednn {

/// "3.2.0".
std::string library_version();

}  // namespace treble::onednn
