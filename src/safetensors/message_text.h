// Foreign text inside our messages.
#pragma once

#include <string>
#include <string_view>

namespace treble::internal {

/// `text` fit to be shown: control characters become '?', so that a hostile file cannot write terminal commands into a
/// log, and what goes beyond 200 bytes becomes "…".
std::string for_message(std::string_view text);

}  // namespace treble::internal
