// The tensors of one module's folder.
#pragma once

#include <cstdint>
#include <filesystem>
#include <set>
#include <string>
#include <vector>

#include "safetensors/safetensors.h"

namespace treble::internal {

/// Hands out model.safetensors of a module as float32 and sees to it that the file holds what was asked for, no more.
class ModuleWeights {
 public:
  /// Throws Error{not_found}, naming pytorch_model.bin if that is all there is; Error{invalid_file}.
  explicit ModuleWeights(const std::filesystem::path& folder) : archive_(TensorArchive::open_folder(folder)) {}

  /// Throws Error{invalid_file} when the tensor is missing or its shape is not `shape` (naming both); see
  /// copy_as_float.
  std::vector<float> take(const std::string& name, const std::vector<std::int64_t>& shape);

  /// Throws Error{invalid_file} naming a tensor that nobody took: the config and the weights disagree.
  void check_all_taken() const;

 private:
  TensorArchive archive_;
  std::set<std::string, std::less<>> taken_;
};

}  // namespace treble::internal
