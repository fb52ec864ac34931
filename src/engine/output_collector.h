// What takes the hidden states of a call's texts and makes an output of them, beside others in the same pass.
#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include "batch/packed_batch.h"
#include "engine/call_watch.h"
#include "engine/encoder_access.h"
#include "kernels/execution.h"
#include "tensor/view.h"
#include "tokenizer/tokenized_text.h"
#include "treble/output_options.h"
#include "treble/sentence_encoder.h"

namespace treble::internal {

/// Of one call.
class OutputCollector {
 public:
  OutputCollector() = default;
  virtual ~OutputCollector() = default;
  OutputCollector(const OutputCollector&) = delete;
  OutputCollector& operator=(const OutputCollector&) = delete;

  /// `hidden` [batch.total_tokens(), output width] are the states of all tokens, special tokens included: those of
  /// sequence s, which is text batch.text_index[s] of the call, from row batch.offsets[s] on. They are gone after the
  /// call. Called once a batch, for several batches at once; `execution` has the threads that this batch may use.
  /// Every text is in exactly one batch.
  virtual void take(const Execution& execution, const PackedBatch& batch, ConstMatrixView hidden) = 0;
};

/// Who looks on, and how texts are put into batches.
struct Collection {
  std::span<OutputCollector* const> collectors;
  Batching batching = Batching::fastest;
};

/// Carries the texts, tokenized in whatever way, through the model once and shows the hidden states of each batch to
/// every collector. Throws what SentenceEncoder::encode throws for the temperature, for tokens and for a stop, and what
/// the collectors throw.
void collect_outputs(const SentenceEncoder& encoder, std::span<const TokenizedText> texts, const EncodeOptions& options,
                     const Collection& collection, CallWatch& watch);

/// EncodeOptions of a call for outputs: with the prompt of its role, where it names none.
EncodeOptions encode_options(const OutputOptions& options);

/// The same of a call of this model, which may read queries and documents each in a way of its own: with the limit of
/// its role too. Throws Error{invalid_argument} for a limit that its queries cannot have.
EncodeOptions reading_options(const SentenceEncoder& encoder, const OutputOptions& options);

/// What the texts are, of a model that reads queries and documents in different ways, or where a call says so.
std::optional<TextRole> role_that_matters(const SentenceEncoder& encoder, const OutputOptions& options);

/// Whether the texts of a call for sparse vectors are queries that a table of weights reads, without the layers. Throws
/// Error{invalid_argument} where neither the call nor the model says which.
bool reads_by_table(const SentenceEncoder& encoder, const OutputOptions& options);

/// How many weights of a text are kept; unset: all.
std::optional<std::int64_t> max_active_dims(const SentenceEncoder& encoder, const OutputOptions& options);

/// The checks of a call for outputs that need no text, and how its texts are read. Throws what encode_outputs throws
/// for these kinds and options.
CallPlan plan_outputs(const SentenceEncoder& encoder, std::span<const OutputKind> kinds, const OutputOptions& options);

}  // namespace treble::internal
