// Tensors of a weight file under a family's names, with shapes checked.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>
#include <vector>

#include "layers/layer_norm.h"
#include "models/weight_names.h"
#include "safetensors/safetensors.h"
#include "tensor/aligned_buffer.h"
#include "tensor/view.h"

namespace treble {

/// Reads from an archive that outlives it. Every failure is an Error{invalid_file} naming the tensor, and both shapes
/// where shapes disagree.
class WeightLoader {
 public:
  /// Finds the prefix under which the archive has the word embeddings.
  WeightLoader(const TensorArchive& archive, const WeightNames& names, std::string folder);

  /// The float values of `stem`.weight or .bias, of exactly this shape.
  std::vector<float> vector(const std::string& name, std::int64_t size) const;
  AlignedBuffer<float> matrix(const std::string& name, std::int64_t rows, std::int64_t cols) const;

  /// As stored when it is aligned F32, else widened into `owned`.
  ConstMatrixView matrix_in_place(const std::string& name, std::int64_t rows, std::int64_t cols,
                                  AlignedBuffer<float>& owned) const;

  /// Under "weight"/"bias", or "gamma"/"beta" as TensorFlow-born checkpoints call them.
  LayerNorm layer_norm(const std::string& stem, std::int64_t size, double eps) const;

  bool has(const std::string& name) const { return find(name) != nullptr; }
  /// As stored: "F32", "F16", …
  std::string dtype(const std::string& name) const;

 private:
  const StoredTensor* find(const std::string& name) const;
  const StoredTensor& require(const std::string& name, std::initializer_list<std::int64_t> shape) const;

  const TensorArchive& archive_;
  std::string folder_;
  std::string prefix_;
};

}  // namespace treble
