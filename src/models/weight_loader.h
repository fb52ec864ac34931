// Tensors of a weight file under a family's names, with shapes checked.
#pragma once

#include <cstdint>
#include <functional>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "layers/norm.h"
#include "models/weight_names.h"
#include "safetensors/safetensors.h"
#include "tensor/aligned_buffer.h"
#include "tensor/stored_rows.h"
#include "tensor/view.h"

namespace treble::internal {

/// The names under which an archive keeps a model, and what stands before them.
struct FoundNames {
  WeightNames names;
  std::string prefix;
};

/// The first of `forms`, and of its prefixes, whose word embeddings and first layer are in the archive. Throws
/// Error{invalid_file} naming what was looked for.
FoundNames find_names(const TensorArchive& archive, const std::vector<WeightNames>& forms, const std::string& folder);

/// How many layers (or groups that share weights) the archive holds: one more than the highest number among their query
/// weights (or those of their only projection); 0 where there are none.
std::int64_t count_layers(const TensorArchive& archive, const FoundNames& found);

/// Reads from an archive that outlives it. Every failure is an Error{invalid_file} naming the tensor, and both shapes
/// where shapes disagree. Notes what was read; may be called from several threads at once.
class WeightLoader {
 public:
  WeightLoader(const TensorArchive& archive, std::string prefix, std::string folder);

  /// The float values of a tensor of exactly this shape.
  std::vector<float> vector(const std::string& name, std::int64_t size) const;
  AlignedBuffer<float> matrix(const std::string& name, std::int64_t rows, std::int64_t cols) const;
  /// The same into room of rows · cols floats.
  void read_matrix(const std::string& name, std::int64_t rows, std::int64_t cols, float* out) const;
  /// `count` rows of such a tensor from `first` on.
  AlignedBuffer<float> matrix_rows(const std::string& name, std::int64_t rows, std::int64_t cols, std::int64_t first,
                                   std::int64_t count) const;
  /// A Conv1d's weight [out, in, kernel] as the matrix [out, kernel · in] of a Linear over windows.
  AlignedBuffer<float> convolution(const std::string& name, std::int64_t out, std::int64_t in,
                                   std::int64_t kernel) const;

  /// Checks a tensor's shape and notes that it was read, for one whose values something else holds.
  void pass_over(const std::string& name, const std::vector<std::int64_t>& shape) const;

  /// As stored, whichever floats these are; where an adapter changes them, widened into `owned`.
  StoredRows stored_rows(const std::string& name, std::int64_t rows, std::int64_t cols,
                         AlignedBuffer<float>& owned) const;
  /// As stored when it is aligned F32, else widened into `owned`.
  ConstMatrixView matrix_in_place(const std::string& name, std::int64_t rows, std::int64_t cols,
                                  AlignedBuffer<float>& owned) const;

  struct NormOptions {
    NormKind kind = NormKind::layer;
    bool bias = true;
    bool plus_one = false;
    double eps = 1e-12;
  };
  /// Under "weight"/"bias", or "gamma"/"beta" as TensorFlow-born checkpoints call them.
  Norm norm(const std::string& stem, std::int64_t size, const NormOptions& options) const;

  bool has(const std::string& name) const { return find(name) != nullptr; }
  /// For messages: the tensor's file and full name.
  std::string place(const std::string& name) const;
  /// The tensors of the archive that nothing above has read, under their names in the file.
  std::vector<std::string> unread() const;
  /// As stored: "F32", "F16", …
  std::string dtype(const std::string& name) const;

 private:
  const StoredTensor* find(const std::string& name) const;
  const StoredTensor& require(const std::string& name, const std::vector<std::int64_t>& shape) const;

  const TensorArchive& archive_;
  std::string prefix_;
  std::string folder_;
  mutable std::mutex read_mutex_;
  mutable std::set<std::string, std::less<>> read_;  ///< names in the file
};

}  // namespace treble::internal
