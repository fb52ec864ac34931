// The int8 layers of a model in a file: what an earlier start made of the weights (ModelOptions::cache).
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "kernels/int8_layer.h"
#include "safetensors/safetensors.h"

namespace treble::internal {

/// A safetensors file with five tensors a layer: NAME.codes (I8 [out, in]), and NAME.scale, .offset, .sum, .bias (F32
/// [out]); "key" of its metadata says what it was made of.
class PreparedLayers {
 public:
  /// Nothing where there is no such file. Throws Error{invalid_file} naming the file, and that it may be deleted, for
  /// one that is not whole or has another key.
  static std::optional<PreparedLayers> open(const std::filesystem::path& file, const std::string& key);

  /// Whole or not at all; makes the folder. Throws Error{io}.
  static void write(const std::filesystem::path& file, const std::string& key, std::span<const Int8Layer> layers);

  /// Throws Error{invalid_file} where there is none of that name, or it has another shape. Valid as long as this is.
  const Int8LayerView& find(const std::string& name, std::int64_t out, std::int64_t in) const;

  const std::filesystem::path& file() const noexcept { return file_; }

 private:
  PreparedLayers(std::filesystem::path file, TensorArchive archive)
      : file_(std::move(file)), archive_(std::move(archive)) {}
  void add_layers();
  std::span<const float> numbers(const std::string& name, std::int64_t out);

  std::filesystem::path file_;
  TensorArchive archive_;
  std::map<std::string, std::vector<float>> numbers_;
  std::map<std::string, Int8LayerView> layers_;
};

}  // namespace treble::internal
