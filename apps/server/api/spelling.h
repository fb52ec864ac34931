// What a misspelled name may have meant: fields of requests, options of the program.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace treble::server {

/// Letters to change, add, drop or swap with their neighbour (optimal string alignment).
std::size_t edit_distance(std::string_view a, std::string_view b);

/// Of `known`, the one that `name` may be a typo of: a prefix of it, or few edits away; "" if there is none.
std::string nearest_name(std::string_view name, const std::vector<std::string>& known);

}  // namespace treble::server
