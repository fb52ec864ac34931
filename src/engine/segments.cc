// Long texts of recurrent models and of tables of token embeddings, read segment after segment: memory does not grow
// with the text.
#include <algorithm>

#include "engine/sentence_encoder_impl.h"
#include "kernels/selective_scan.h"

namespace treble {

static_assert(kSegmentTokens % kScanChunk == 0, "segments would change vectors");

std::vector<PackedBatch> internal::segments_of(const PackedBatch& batch) {
  std::vector<PackedBatch> segments;
  const std::int64_t tokens = batch.total_tokens();
  for (std::int64_t begin = 0; begin < tokens; begin += kSegmentTokens) {
    const std::int64_t end = std::min(tokens, begin + kSegmentTokens);
    segments.push_back({.ids = {batch.ids.begin() + begin, batch.ids.begin() + end},
                        .offsets = {0, end - begin},
                        .text_index = batch.text_index,
                        .prompt_tokens = {0}});
  }
  return segments;
}

bool SentenceEncoder::Impl::reads_in_segments(const BatchCall& call) const {
  return encoder.runs_in_segments() && call.pooled == nullptr && call.batch.num_sequences() == 1 &&
         call.batch.total_tokens() > kSegmentTokens;
}

/// Leaves the pooled row of the batch's only text in `pooled`.
void SentenceEncoder::Impl::encode_in_segments(const Execution& execution, EncodeWorker& worker, const BatchCall& call,
                                               MatrixView pooled) const {
  const PackedBatch& batch = call.batch;
  const bool last_only = modules->pooled_token() == PoolingMode::last_token;
  TextPool pooling = modules->start_text(batch.total_tokens(), batch.prompt_tokens.front());
  RecurrentState state;
  state.total_tokens = batch.total_tokens();
  for (const PackedBatch& segment : segments_of(batch)) {
    if (call.watch != nullptr) call.watch->check();
    std::vector<std::int64_t> kept;
    if (last_only) kept.push_back(segment.total_tokens() - 1);
    const ConstMatrixView hidden = encoder.run({.execution = execution,
                                                .workspace = worker.layers,
                                                .state_controls = call.state_controls,
                                                .carried = encoder.is_recurrent() ? &state : nullptr,
                                                .kept_tokens = kept},
                                               segment);
    if (!last_only) {
      pooling.add(execution, hidden);
    } else if (state.tokens == batch.total_tokens()) {
      modules->run(execution, one_token_each(batch), hidden, pooled);
    }
  }
  if (!last_only) modules->run(execution, pooling, pooled.row_span(0));
}

}  // namespace treble
