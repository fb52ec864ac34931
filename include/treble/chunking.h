// Long texts in pieces: each piece a text of its own to the model, their vectors aggregated. The usual way around a
// model's limit, and a remedy to hold a temperature against.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "treble/export.h"
#include "treble/options.h"
#include "treble/sentence_encoder.h"

namespace treble {

enum class ChunkAggregate {
  mean,  ///< of the pieces' vectors
  max,   ///< dimension by dimension
};

/// How long texts are cut and their vectors put together.
struct ChunkOptions {
  ChunkAggregate aggregate = ChunkAggregate::mean;  ///< of a text's pieces
  /// Tokens of a piece at most, special tokens and prompt included; 0: as many as the model reads.
  std::int64_t max_tokens = 0;
  /// Late chunking (Günther et al., arXiv 2409.04701): the model reads as much at once as it can, and the pieces are
  /// runs of `max_tokens` of its token vectors, pooled each on its own. `max_tokens` must be given.
  bool late = false;

  /// "chunk-mean", "chunk-max", either with ":N", or "late-chunk:N". Throws Error{invalid_argument} otherwise.
  TREBLE_API static ChunkOptions parse(std::string_view text);
  /// Whether `text` is meant for `parse` and not the name of a file or of another step.
  TREBLE_API static bool names(std::string_view text);
  TREBLE_API std::string to_string() const;  ///< The form that `parse` reads.
};

/// Pieces of at most `max_tokens` tokens, together the whole text but for white space between them; cut between words,
/// inside one only where it is longer than a piece. Of about equal length. A text that fits is one piece, and white
/// space alone that does not fit is one empty piece.
/// Throws Error{invalid_argument} when max_tokens leaves no room for a character beside special tokens and prompt.
TREBLE_API std::vector<std::string_view> split_text(const SentenceEncoder& encoder, std::string_view text,
                                                    const EncodeOptions& options, std::int64_t max_tokens);

/// As SentenceEncoder::encode, but nothing is cut off: token_counts say that all tokens were used. Every piece that is
/// read gets the prompt. Vectors have length 1 where encode's would; a text that fits into one piece has the vector of
/// encode (float32: ≤ 1e-6, int8: bit for bit). Progress counts pieces that are read. Throws what encode and split_text
/// throw, and Error{unsupported} for late chunking with a model whose vector is that of a single token.
TREBLE_API Embeddings encode_chunked(const SentenceEncoder& encoder, std::span<const std::string_view> texts,
                                     const EncodeOptions& options, const ChunkOptions& chunks);

}  // namespace treble
