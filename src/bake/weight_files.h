// The weights of a baked model: the same files as the source has, with the changed tensors in them.
#pragma once

#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "bake/bake_plan.h"
#include "bake/scale_tensor.h"
#include "treble/bake.h"

namespace treble::internal {

struct WeightFiles {
  std::filesystem::path from;  ///< the folder of the source's weights
  std::filesystem::path to;
  const TensorArchive& archive;  ///< of `from`
  const std::vector<TensorChange>& changes;
  BakedDType dtype = BakedDType::keep;
  std::string temperature;  ///< in the metadata of each file, for those that get to see no other; empty: none
  /// Called before each file; may throw.
  std::function<void()> before_file;
};

inline constexpr const char* kShardIndex = "model.safetensors.index.json";

/// Whether the archive was read by way of the index.
bool is_sharded(const TensorArchive& archive);

/// Writes every file and the shards' index; with another dtype also config.json (which is there already), since both
/// state it. Returns the new weight files. Throws what scale_tensor and write_safetensors throw, and
/// Error{invalid_file} for a tensor that is missing.
std::vector<std::filesystem::path> write_weights(const WeightFiles& weights, Rounding& rounding);

}  // namespace treble::internal
