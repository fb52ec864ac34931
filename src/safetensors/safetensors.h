// Reading model weights: the safetensors format, memory-mapped and checked before anything is believed.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "tensor/dtype.h"
#include "treble/whole_file.h"

namespace treble::internal {

struct TensorRevision;
struct LowRankProduct;
struct Factor;

/// A tensor that lies in a mapped file; valid as long as the archive it came from.
struct StoredTensor {
  DType dtype = DType::kF32;
  std::vector<std::int64_t> shape;   ///< empty: a scalar
  std::span<const std::byte> bytes;  ///< little-endian, row-major, of no particular alignment: copy, do not cast
  std::string file;                  ///< for messages
  /// What an adapter makes of it (safetensors/tensor_revision.h); nullptr: `bytes` are all there is. copy_as_float
  /// applies it, so whoever looks at `bytes` must look at this first.
  std::shared_ptr<const TensorRevision> revision = nullptr;

  /// Product of the shape; an archive has checked that it fits.
  std::int64_t num_elements() const noexcept;
};

/// The tensors of a model folder: model.safetensors, or the shards of model.safetensors.index.json. Movable; may be
/// read from several threads.
class TensorArchive {
 public:
  /// One file. Every way in which it can lie is an Error{invalid_file} that names the file, the tensor, both sizes;
  /// a dtype of the format that Treble does not know (F8 and smaller) is Error{unsupported}.
  static TensorArchive open_file(const std::filesystem::path& path);
  /// A model folder: model.safetensors if it is there, else the shards of model.safetensors.index.json. A tensor that
  /// the index names must be in the shard it names. One that only a shard has is read as well, as transformers does,
  /// since both read whole shards; one that two shards have is an error. Shard paths must stay inside the folder (links
  /// may lead out of it: the Hugging Face cache consists of them). Error{not_found} when there is neither form (naming
  /// what it has instead, see missing_weights.h) or a shard is missing.
  static TensorArchive open_folder(const std::filesystem::path& folder);
  /// Whether the folder has weights in one of those two forms.
  static bool is_in(const std::filesystem::path& folder);

  /// nullptr when there is none of this name.
  const StoredTensor* find(std::string_view name) const;
  /// Gives the memory of a tensor's pages back; whoever reads them again gets them from the file again. For what has
  /// been copied, so that weights are not held twice.
  static void release(const StoredTensor& tensor) noexcept;
  /// In the order of names.
  const std::map<std::string, StoredTensor, std::less<>>& tensors() const noexcept;
  /// The weight files, in reading order.
  const std::vector<std::filesystem::path>& files() const noexcept;
  /// "__metadata__" of the first file.
  const std::map<std::string, std::string>& metadata() const noexcept;

  /// Adds a product to what copy_as_float gives for a tensor. Throws Error{invalid_file} naming the factor and both
  /// shapes when it does not fit. The factor's archive must be kept.
  void add_product(const std::string& name, LowRankProduct product);
  /// Puts a tensor in the place of one, in its type; adds one that is not there. Throws Error{invalid_file} naming both
  /// shapes when they differ. The factor's archive must be kept.
  void replace(const std::string& name, Factor replacement);
  /// Gives a tensor another name. Throws Error{invalid_file} when the new one is taken.
  void rename(const std::string& name, const std::string& to);
  void erase(const std::string& name);
  /// Owns `other` from now on, whose tensors are part of revisions.
  void keep(TensorArchive other);

  TensorArchive(TensorArchive&&) noexcept;
  TensorArchive& operator=(TensorArchive&&) noexcept;
  ~TensorArchive();

 private:
  struct Impl;
  explicit TensorArchive(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

/// Widens F32, F16, BF16 (and F64, rounded) to float32, exactly as PyTorch does, and applies the tensor's revision in
/// float32. `out` has num_elements() floats.
/// Throws Error{unsupported} for other types, Error{invalid_file} naming tensor and index for a NaN or infinity.
void copy_as_float(const StoredTensor& tensor, std::string_view name, std::span<float> out);

/// A tensor to write.
struct TensorToWrite {
  std::string name;
  DType dtype = DType::kF32;
  std::vector<std::int64_t> shape;
  std::span<const std::byte> bytes;
};

/// Writes one safetensors file whole or not at all (treble/whole_file.h), tensors in the order given, header padded to
/// 8 bytes. Until the rename a file of that name stays as it was, so tensors mapped from it may be written back. Throws
/// Error{invalid_argument} when bytes do not fit a shape or a name repeats, and what WholeFile throws.
void write_safetensors(const std::filesystem::path& path, std::span<const TensorToWrite> tensors,
                       const std::map<std::string, std::string>& metadata = {}, Existing existing = Existing::replace);

}  // namespace treble::internal
