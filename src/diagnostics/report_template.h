// The page of apps/web, built by npm and compiled in (cmake/TreblePages.cmake).
#pragma once

#include <string_view>

namespace treble::internal {

/// HTML with "@REPORT_JSON@" once, where the report goes: inside a script element of type application/json.
std::string_view report_template();

}  // namespace treble::internal
