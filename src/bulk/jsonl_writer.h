// A JSON object a line: a header with the metadata, then one object a text.
#pragma once

#include <fmt/format.h>

#include <cstdint>
#include <string>
#include <string_view>

#include "bulk/metadata.h"
#include "bulk/row_file.h"
#include "treble/bulk.h"

namespace treble::internal {

/// Appends {"index":0,"id":"d1","embedding":[0.1,…],"tokens":5,"used":5} and a newline. `embedding` is Quantizer::json.
void append_row(std::int64_t index, const TextRecord& record, std::string_view embedding, const TokenCount& tokens,
                fmt::memory_buffer& out);

/// Into a file. Its header line has spare room at the end, so that counts can be updated in place.
class JsonlWriter : public VectorSink {
 public:
  /// A file with no rows yet. `rows` and `quantizer` must outlive the writer.
  JsonlWriter(RowFile& rows, Json metadata, const Quantizer& quantizer);
  /// Continues after `saved`; whatever comes after it is dropped. Throws Error{invalid_file}.
  JsonlWriter(RowFile& rows, Json metadata, const SavedState& saved, const Quantizer& quantizer);

  void write(const BulkBatch& batch, const Embeddings& embeddings) override;
  void checkpoint(const BulkState& state) override;
  void roll_back() noexcept override;

 protected:
  const Quantizer& quantizer() const noexcept { return quantizer_; }
  /// The rows of a batch as bytes that end in a newline.
  virtual void append(const BulkBatch& batch, const Embeddings& embeddings, fmt::memory_buffer& out) const;

 private:
  OutputFile& file_;
  Json metadata_;
  const Quantizer& quantizer_;
  std::size_t header_size_ = 0;
  std::uint64_t end_ = 0;
  std::uint64_t safe_end_ = 0;
};

/// The metadata in the first line of a JSONL output. Throws Error{invalid_file, not_found, io}.
Json read_jsonl_header(const std::string& path);

}  // namespace treble::internal
