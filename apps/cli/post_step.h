// The fitted transform of `--post FILE` behind a model.
#pragma once

#include <optional>
#include <string>

#include "output/metadata.h"
#include "text_encoder.h"
#include "treble/chunking.h"
#include "treble/post_transform.h"

namespace treble::cli {

/// Where a fitted transform came from, as its file keeps it, for vectors of this encoder under these options.
PostProvenance provenance_of(const SentenceEncoder& encoder, const EncodeOptions& options);

class PostStep {
 public:
  /// Loads the file. Throws what PostTransform::load throws, and Error{invalid_argument} when it was fitted on vectors
  /// of another model, temperature or pooling, or of other dimensions, naming both.
  PostStep(std::string path, const SentenceEncoder& encoder, const EncodeOptions& options);

  std::int64_t output_dim() const { return transform_.output_dim(); }
  void apply(Embeddings& embeddings) const;
  Json describe() const;

 private:
  void check_same_model(const PostProvenance& fitted, const PostProvenance& given) const;

  std::string path_;
  PostTransform transform_;
  bool normalize_;
};

/// A model and the step behind it.
class PostEncoder : public TextEncoder {
 public:
  PostEncoder(TextEncoder& encoder, const PostStep& step) : encoder_(encoder), step_(step) {}

  Embeddings encode(std::span<const std::string_view> texts) override {
    Embeddings embeddings = encoder_.encode(texts);
    step_.apply(embeddings);
    return embeddings;
  }

 private:
  TextEncoder& encoder_;
  const PostStep& step_;
};

/// A model that reads long texts in pieces.
class ChunkEncoder : public TextEncoder {
 public:
  ChunkEncoder(const SentenceEncoder& encoder, const EncodeOptions& options, const ChunkOptions& chunks)
      : encoder_(encoder), options_(options), chunks_(chunks) {}

  Embeddings encode(std::span<const std::string_view> texts) override {
    return encode_chunked(encoder_, texts, options_, chunks_);
  }

 private:
  const SentenceEncoder& encoder_;
  EncodeOptions options_;
  ChunkOptions chunks_;
};

}  // namespace treble::cli
