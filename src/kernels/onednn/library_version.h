// The oneDNN that is linked.
#pragma once

#include <string>

namespace treble::internal::onednn {

/// "3.2.0".
std::string library_version();

}  // namespace treble::internal::onednn
