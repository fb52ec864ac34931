// treble.json: what a baked folder says about itself.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "bake/logit_scales.h"
#include "treble/bake.h"

namespace treble::internal {

/// What goes into treble.json.
struct Provenance {
  BakedTemperature baked;  ///< without `earlier`: that comes from the source's own treble.json
  const LogitScales* scales = nullptr;
  std::string weights_sha256;     ///< of the new weights
  std::string dtype;              ///< "keep" or "float32"
  std::filesystem::path adapter;  ///< that was merged; empty: none
  std::string adapter_identity;   ///< a line a file: hash and name
  BakeReport report;
};

inline constexpr const char* kProvenanceFile = "treble.json";

/// Writes `to`/treble.json. Whatever the source's own treble.json says besides is kept. Throws Error{invalid_file, io}.
void write_provenance(const std::filesystem::path& from, const std::filesystem::path& to, const Provenance& provenance);

}  // namespace treble::internal
