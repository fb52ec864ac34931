// Whether an optional file is there.
#pragma once

#include <filesystem>

namespace treble::internal {

/// False only when nothing has this name. A link to nowhere is Error{not_found} and what may not be looked up
/// Error{io}, both naming the path: going on without the file would quietly give other results.
bool is_there(const std::filesystem::path& path);

}  // namespace treble::internal
