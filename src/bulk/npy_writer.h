// float32 rows as a numpy file, with the metadata in a JSON file beside it.
#pragma once

#include <cstdint>
#include <string>

#include "bulk/metadata.h"
#include "bulk/row_file.h"
#include "treble/bulk.h"

namespace treble::internal {

/// The header of a float32 array [count, dim] in C order, npy format 1.0. Always kNpyHeaderSize bytes, so that the
/// count can grow in place.
inline constexpr std::size_t kNpyHeaderSize = 128;
std::string npy_header(std::int64_t count, std::int64_t dim);

class NpyWriter : public VectorSink {
 public:
  /// A file with no rows yet. `rows` must outlive the writer.
  NpyWriter(RowFile& rows, Json metadata, std::int64_t dim);
  /// Continues after `saved.run.count` rows; whatever comes after them is dropped. Throws Error{invalid_file} when the
  /// file is not the one that `metadata` was written for.
  NpyWriter(RowFile& rows, Json metadata, const SavedState& saved, std::int64_t dim);

  void write(const BulkBatch& batch, const Embeddings& embeddings) override;
  void checkpoint(const BulkState& state) override;
  void roll_back() noexcept override;

 private:
  OutputFile& file_;
  std::string sidecar_;
  Json metadata_;
  std::int64_t dim_;
  std::uint64_t end_ = kNpyHeaderSize;
  std::uint64_t safe_end_ = kNpyHeaderSize;
};

}  // namespace treble::internal
