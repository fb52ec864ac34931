// What an output says about itself: how its vectors were made, and how far it got.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>

#include "treble/bulk.h"

namespace treble::internal {

using Json = nlohmann::ordered_json;

/// Now, as "2026-01-31T12:00:00Z".
std::string now_utc();

/// `metadata` followed by the fields of `state`. `bytes`: the size of the output up to its last row.
Json with_state(const Json& metadata, const BulkState& state, std::uint64_t bytes);

/// What with_state wrote. Throws Error{invalid_file} naming `origin` and the field.
struct SavedState {
  BulkState run;
  std::uint64_t bytes = 0;
};
SavedState read_state(const Json& metadata, const std::string& origin);

/// `metadata` without what with_state added.
Json without_state(Json metadata);

/// Throws Error{invalid_argument} naming the first field in which `now` would give other vectors than `saved`, with
/// both values.
void check_same_run(const Json& saved, const Json& now, const std::string& path);

}  // namespace treble::internal
