// The loop of `treble embed`: chunks of texts in, rows out, until the input ends or somebody stops it.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>

#include "input/chunk_reader.h"
#include "input/input_plan.h"
#include "output/embedding_writer.h"
#include "progress.h"
#include "text_encoder.h"

namespace treble::cli {

/// What the loop works with; all of it outlives the loop.
struct EmbedJob {
  ChunkReader& chunks;
  TextEncoder& encoder;
  EmbeddingWriter& writer;
  ProgressLine& progress;
  const StopSignal& stop;
  const InputPlan& plan;
};

struct EmbedResult {
  RunState before;       ///< rows of earlier runs
  RunState total;        ///< rows in the output now
  double seconds = 0;    ///< encoding, reading and writing; not loading the model
  bool stopped = false;  ///< on request, before the end of the input

  std::int64_t texts() const noexcept { return total.count - before.count; }
  std::int64_t tokens() const noexcept { return total.tokens - before.tokens; }
  std::int64_t tokens_used() const noexcept { return total.tokens_used - before.tokens_used; }
};

/// Runs to the end of the input, or until `stop` is requested: then the chunk in flight is still embedded and written.
/// After every chunk `result` and the output agree, also when an error is thrown. Errors about one text name its place
/// in the input.
void run_embed_job(const EmbedJob& job, EmbedResult& result);

/// How much to hand to the engine at a time: enough that threads rarely wait for each other at the end of a chunk,
/// little enough that Ctrl-C is heard within a few seconds. Depends on the model and the threads alone.
ChunkLimits choose_chunk_limits(const ModelInfo& model, std::optional<std::int64_t> chunk_texts);

}  // namespace treble::cli
