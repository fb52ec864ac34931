#include "engine/vector_identity.h"

#include <array>

namespace treble::internal {

namespace {

using Json = nlohmann::ordered_json;

/// What two runs may differ in and still give equal vectors: names and places, whose content is hashed, what follows
/// from the rest, and the history of the run.
constexpr std::array<const char*, 20> kIrrelevant = {"/treble",        "/created",      "/inputs",
                                                     "/model/name",    "/model/path",   "/model/sha256",
                                                     "/temperature",   "/state",        "/logit_scale",
                                                     "/prompt_name",   "/dtype_reason", "/similarity",
                                                     "/warnings",      "/post/file",    "/post/fitted_on_texts",
                                                     "/model/adapter", "/ranges/file",  "/ranges/fitted_on_texts",
                                                     "/ranges/min",    "/ranges/max"};

void erase(Json& json, const Json::json_pointer& field) {
  if (json.contains(field)) json.at(field.parent_pointer()).erase(field.back());
}

}  // namespace

Json identity_of(Json provenance) {
  for (const char* field : kIrrelevant) erase(provenance, Json::json_pointer(field));
  // float32 is the same to 1e-6 with every instruction set; the faster types round differently.
  if (provenance.value("compute_dtype", "") == "float32") provenance.erase("cpu_isa");
  // Outputs of earlier versions do not say it.
  if (provenance.value("precision", "float32") == "float32") provenance.erase("precision");
  return provenance;
}

}  // namespace treble::internal
