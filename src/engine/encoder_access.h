// What the engine's own measurements need of a loaded model beyond the public contract.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string_view>

#include "layers/attention_observer.h"
#include "treble/sentence_encoder.h"

namespace treble::internal {

struct EncoderAccess {
  /// SentenceEncoder::encode in batches and sums that are the same, bit for bit, for every number of threads; a little
  /// slower.
  static Embeddings encode_repeatably(const SentenceEncoder& encoder, std::span<const std::string_view> texts,
                                      const EncodeOptions& options);

  /// Runs the encoder on each text alone, in order and on this thread, with the observer looking on; nothing is pooled.
  /// The same, bit for bit, for every number of threads.
  static void observe(const SentenceEncoder& encoder, std::span<const std::string_view> texts,
                      const EncodeOptions& options, AttentionObserver& observer);

  /// A loop on the model's threads; not from within an observer.
  static void parallel_for(const SentenceEncoder& encoder, std::int64_t count,
                           const std::function<void(std::int64_t)>& body);
};

}  // namespace treble::internal
