// Where the int8 layers of a model are kept (ModelOptions::cache), and what they depend on.
#pragma once

#include <filesystem>
#include <string>

#include "engine/encoder_access.h"
#include "models/model_parts.h"
#include "treble/options.h"

namespace treble::internal {

struct Int8CacheEntry {
  std::filesystem::path file;
  std::string key;  ///< all that the layers depend on; `file` is named by its hash
  std::string weights_sha256;
};

/// Reads and hashes the model's files: about as fast as they can be read. The key is of their contents, what options
/// the calibration texts are read with, the CPU's kind and Treble's version.
Int8CacheEntry int8_cache_entry(const ModelOptions& options, const ModelParts& parts, ModelPurpose purpose);

}  // namespace treble::internal
