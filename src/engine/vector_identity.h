// Which parts of a provenance determine vectors.
#pragma once

#include <nlohmann/json.hpp>

namespace treble::internal {

/// The part of what provenance_json says that vectors depend on: all of it but names, places, times and what follows
/// from the rest, so that a field that is added counts. Equal identities give equal vectors for equal texts.
nlohmann::ordered_json identity_of(nlohmann::ordered_json provenance);

}  // namespace treble::internal
