// Encoding for a sweep: batch by batch, each kept in the cache.
#pragma once

#include <cstddef>
#include <functional>
#include <map>
#include <span>
#include <string>
#include <string_view>

#include "evaluation/vector_cache.h"
#include "treble/sweep.h"

namespace treble::internal {

class CachedEncoder {
 public:
  /// Called after each batch with its number of texts, its vectors kept; may throw.
  using BatchCallback = std::function<void(std::size_t texts)>;

  /// `encoder` and the variants must outlive this.
  CachedEncoder(const SentenceEncoder& encoder, const SweepOptions& options, BatchCallback on_batch);

  /// The setting's vectors, without its fitted step.
  CachedVectors encode(std::span<const std::string> texts, const SweepSetting& setting,
                       const SweepPrompt& prompt) const;
  /// Whether vectors have length 1.
  bool normalizes() const;

 private:
  CachedVectors encode_batch(std::span<const std::string_view> texts, const SweepSetting& setting,
                             const EncodeOptions& options) const;
  std::string key_of(const SweepSetting& setting, const EncodeOptions& options) const;

  std::map<std::string, const SentenceEncoder*> encoders_;  ///< by variant; "": the model itself
  EncodeOptions options_;
  VectorCache cache_;
  BatchCallback on_batch_;
};

}  // namespace treble::internal
