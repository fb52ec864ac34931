// What the embedding loop needs of a model, so that tests can do without one.
#pragma once

#include <span>
#include <string_view>

#include "treble/sentence_encoder.h"

namespace treble::cli {

class TextEncoder {
 public:
  TextEncoder() = default;
  virtual ~TextEncoder() = default;
  TextEncoder(const TextEncoder&) = delete;
  TextEncoder& operator=(const TextEncoder&) = delete;

  /// As SentenceEncoder::encode, with the options of the run.
  virtual Embeddings encode(std::span<const std::string_view> texts) = 0;
};

/// The real one. `encoder` must outlive it.
class ModelEncoder : public TextEncoder {
 public:
  ModelEncoder(const SentenceEncoder& encoder, const EncodeOptions& options) : encoder_(encoder), options_(options) {}

  Embeddings encode(std::span<const std::string_view> texts) override { return encoder_.encode(texts, options_); }

 private:
  const SentenceEncoder& encoder_;
  EncodeOptions options_;
};

}  // namespace treble::cli
