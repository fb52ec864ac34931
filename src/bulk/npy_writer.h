// Rows as a numpy file, with the metadata in a JSON file beside it.
#pragma once

#include <cstdint>
#include <string>

#include "base/npy_header.h"
#include "bulk/metadata.h"
#include "bulk/row_file.h"
#include "treble/bulk.h"

namespace treble::internal {

/// The header of an array [count, columns] of the precision's numbers, which can grow in place.
std::string npy_header(std::int64_t count, const Quantizer& rows);

class NpyWriter : public VectorSink {
 public:
  /// A file with no rows yet. `rows` and `quantizer` must outlive the writer.
  NpyWriter(RowFile& rows, Json metadata, const Quantizer& quantizer);
  /// Continues after `saved.run.count` rows; whatever comes after them is dropped. Throws Error{invalid_file} when the
  /// file is not the one that `metadata` was written for.
  NpyWriter(RowFile& rows, Json metadata, const SavedState& saved, const Quantizer& quantizer);

  void write(const BulkBatch& batch, const Embeddings& embeddings) override;
  void checkpoint(const BulkState& state) override;
  void roll_back() noexcept override;

 private:
  OutputFile& file_;
  std::string sidecar_;
  Json metadata_;
  const Quantizer& quantizer_;
  std::uint64_t end_ = kNpyHeaderSize;
  std::uint64_t safe_end_ = kNpyHeaderSize;
};

}  // namespace treble::internal
