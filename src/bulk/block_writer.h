// Rows on their way to a format that a converter writes (VectorConverter in treble/bulk.h).
#pragma once

#include "bulk/jsonl_writer.h"

namespace treble::internal {

/// The header line and the rules of JSONL; each batch is a line that describes it, and its vectors as they lie in
/// memory.
class BlockWriter : public JsonlWriter {
 public:
  using JsonlWriter::JsonlWriter;

 protected:
  void append(const BulkBatch& batch, const Embeddings& embeddings, fmt::memory_buffer& out) const override;
};

}  // namespace treble::internal
