// Late chunking: a text's tokens all see each other, and are pooled in spans.
#include <algorithm>

#include "base/fail_about.h"
#include "batch/batch_packer.h"
#include "engine/sentence_encoder_impl.h"

namespace treble {

namespace {

std::int64_t spans_in(std::int64_t tokens, std::int64_t max_tokens) {
  return std::max<std::int64_t>(1, (tokens + max_tokens - 1) / max_tokens);
}

/// The batch's tokens, each sequence in spans of about equal length; `text_index` is the row of a span's vector.
PackedBatch spans_of(const PackedBatch& batch, std::span<const std::size_t> ends, std::int64_t max_tokens) {
  PackedBatch spans;
  spans.offsets.push_back(0);
  for (std::int64_t sequence = 0; sequence < batch.num_sequences(); ++sequence) {
    const auto s = static_cast<std::size_t>(sequence);
    const std::int64_t length = batch.length(sequence);
    const std::int64_t count = spans_in(length, max_tokens);
    const auto end = static_cast<std::int64_t>(ends[static_cast<std::size_t>(batch.text_index[s])]);
    for (std::int64_t span = 0; span < count; ++span) {
      const std::int64_t first = length * span / count;
      const std::int64_t last = length * (span + 1) / count;
      spans.offsets.push_back(batch.offsets[s] + last);
      spans.text_index.push_back(end - count + span);
      spans.prompt_tokens.push_back(std::clamp<std::int64_t>(batch.prompt_tokens[s] - first, 0, last - first));
    }
  }
  return spans;
}

}  // namespace

SpanEmbeddings SentenceEncoder::Impl::encode_spans(std::span<const std::string_view> texts,
                                                   const EncodeOptions& options, std::int64_t max_tokens) {
  const CallPlan call_plan = plan(options);
  for (const PoolingMode mode : modules->pooling_modes()) {
    if (mode != PoolingMode::cls && mode != PoolingMode::last_token) continue;
    fail(ErrorCode::unsupported,
         "late chunking averages the token vectors of each part of a text, and this model's vector is that of a single "
         "token (pooling {}); use chunk-mean, which reads the parts apart",
         to_string(mode));
  }
  CallWatch watch(options, std::ssize(texts));
  const auto tokenized = tokenize(texts, call_plan, &watch);
  SpanEmbeddings result;
  std::size_t rows = 0;
  for (const TokenizedText& text : tokenized) {
    rows += static_cast<std::size_t>(spans_in(std::ssize(text.ids), max_tokens));
    result.ends.push_back(rows);
  }
  result.embeddings = room_for(rows, call_plan.dim);
  const auto dim = static_cast<std::size_t>(call_plan.dim);
  const auto batches = pack_batches(tokenized, plan_batches(options, pool.size(), Batching::fastest));
  run_batches(
      batches, Batching::fastest, watch,
      [&](const Execution& execution, EncodeWorker& worker, const PackedBatch& batch) {
        const PackedBatch spans = spans_of(batch, result.ends, max_tokens);
        std::vector<VectorTarget> targets;
        targets.reserve(spans.text_index.size());
        for (const std::int64_t row : spans.text_index) {
          targets.push_back({call_plan.output,
                             std::span(result.embeddings.values).subspan(static_cast<std::size_t>(row) * dim, dim)});
        }
        const auto non_finite = encode_batch(execution, worker,
                                             {.batch = batch,
                                              .pooled = &spans,
                                              .temperatures = {&options.temperature, 1},
                                              .temper_position_bias = options.temper_position_bias,
                                              .state_controls = {&options.state, 1},
                                              .targets = targets});
        if (non_finite.empty()) return;
        const auto row = static_cast<std::size_t>(spans.text_index[static_cast<std::size_t>(non_finite[0])]);
        const auto text = std::upper_bound(result.ends.begin(), result.ends.end(), row) - result.ends.begin();
        throw non_finite_vector(text, std::ssize(tokenized[static_cast<std::size_t>(text)].ids), options.temperature);
      });
  result.embeddings.token_counts = token_counts(tokenized);
  return result;
}

}  // namespace treble
