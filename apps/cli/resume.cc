#include "resume.h"

#include <array>
#include <string_view>
#include <vector>

#include "fail.h"

namespace treble::cli {

namespace {

/// What two runs may differ in and still give equal vectors: names and places, whose content is hashed, what follows
/// from the rest, and the story of the run.
constexpr std::array<const char*, 14> kNoMatter = {
    "/treble",       "/created",     "/inputs",      "/model/name",          "/model/path",
    "/model/sha256", "/temperature", "/logit_scale", "/prompt_name",         "/dtype_reason",
    "/similarity",   "/warnings",    "/post/file",   "/post/fitted_on_texts"};
constexpr std::string_view kFile = "/model/files/";

void erase(Json& json, const Json::json_pointer& field) {
  if (json.contains(field)) json.at(field.parent_pointer()).erase(field.back());
}

std::string shown(const Json& flat, const std::string& field) {
  const auto found = flat.find(field);
  return found == flat.end() ? "missing" : dump(*found, -1);
}

}  // namespace

Json identity_of(Json metadata) {
  metadata = without_state(std::move(metadata));
  for (const char* field : kNoMatter) erase(metadata, Json::json_pointer(field));
  // float32 is the same to 1e-6 with every instruction set; the faster types round differently.
  if (metadata.value("compute_dtype", "") == "float32") metadata.erase("cpu_isa");
  return metadata;
}

void check_same_run(const Json& saved, const Json& now, const std::string& path) {
  const Json before = identity_of(saved).flatten();
  const Json wanted = identity_of(now).flatten();
  // Fields of this run first: they are in the order of what matters most.
  std::vector<std::string> fields;
  for (const Json* json : {&wanted, &before}) {
    for (const auto& [field, value] : json->items()) fields.push_back(field);
  }
  for (const std::string& field : fields) {
    const std::string old_value = shown(before, field);
    const std::string new_value = shown(wanted, field);
    if (old_value == new_value) continue;
    if (field.starts_with(kFile)) {
      fail(ErrorCode::invalid_argument,
           "cannot resume {}: {} of the model is not what it was (SHA-256 {} then, {} now); use the same model, or "
           "start again with --force",
           path, Json::json_pointer(field).back(), old_value, new_value);
    }
    fail(ErrorCode::invalid_argument,
         "cannot resume {}: it was made with {} = {}, and this run has {}; use the same options, or start again with "
         "--force",
         path, field.substr(1), old_value, new_value);
  }
}

}  // namespace treble::cli
