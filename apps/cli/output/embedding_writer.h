// Where vectors go.
#pragma once

#include "input/chunk_reader.h"
#include "output/metadata.h"
#include "treble/sentence_encoder.h"

namespace treble::cli {

/// Rows come in order. After each checkpoint the output is valid as it stands, whatever happens to the process; rows
/// written since do not count.
class EmbeddingWriter {
 public:
  EmbeddingWriter() = default;
  virtual ~EmbeddingWriter() = default;
  EmbeddingWriter(const EmbeddingWriter&) = delete;
  EmbeddingWriter& operator=(const EmbeddingWriter&) = delete;

  /// Appends one row for each text of `chunk`. Throws Error{io}.
  virtual void write(const Chunk& chunk, const Embeddings& embeddings) = 0;
  /// Makes the rows written so far count; `state` describes them. Throws Error{io}.
  virtual void checkpoint(const RunState& state) = 0;
  /// After an error: drops what was written since the last checkpoint.
  virtual void roll_back() noexcept {}
};

}  // namespace treble::cli
