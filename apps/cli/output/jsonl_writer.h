// A JSON object a line: a header with the metadata, then one object a text.
#pragma once

#include <fmt/format.h>

#include <cstdint>
#include <string>

#include "output/embedding_writer.h"
#include "output/row_file.h"

namespace treble::cli {

/// Appends {"index":0,"id":"d1","embedding":[0.1,…],"tokens":5,"used":5} and a newline. Numbers are the shortest that
/// read back as the same float32.
void append_row(std::int64_t index, const TextRecord& record, std::span<const float> embedding,
                const TokenCount& tokens, fmt::memory_buffer& out);

/// Into a file. Its header line keeps room at the end, so that counts can be brought up to date in place.
class JsonlWriter : public EmbeddingWriter {
 public:
  /// A file with no rows yet. `rows` must outlive the writer.
  JsonlWriter(RowFile& rows, Json metadata);
  /// Goes on after `saved`; whatever lies behind is dropped. Throws Error{invalid_file}.
  JsonlWriter(RowFile& rows, Json metadata, const SavedState& saved);

  void write(const Chunk& chunk, const Embeddings& embeddings) override;
  void checkpoint(const RunState& state) override;
  void roll_back() noexcept override;

 private:
  OutputFile& file_;
  Json metadata_;
  std::size_t header_size_ = 0;
  std::uint64_t end_ = 0;
  std::uint64_t safe_end_ = 0;
};

/// To stdout. The header cannot be brought up to date, so it says nothing about counts.
class JsonlStream : public EmbeddingWriter {
 public:
  explicit JsonlStream(const Json& metadata);

  void write(const Chunk& chunk, const Embeddings& embeddings) override;
  void checkpoint(const RunState& /*state*/) override {}
};

/// The metadata in the first line of a JSONL output. Throws Error{invalid_file, not_found, io}.
Json read_jsonl_header(const std::string& path);

}  // namespace treble::cli
