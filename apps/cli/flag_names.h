// The library's messages name the fields of its structs; people at a terminal know flags.
#pragma once

#include <string>
#include <string_view>

namespace treble::cli {

/// "SweepOptions::similarity" → "--similarity", wherever such a name is in `message`.
std::string with_flags(std::string_view message);

}  // namespace treble::cli
