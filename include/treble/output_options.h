// Which outputs of a model are wanted, and how.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "treble/export.h"
#include "treble/options.h"

namespace treble {

/// What a model makes of a text.
enum class OutputKind {
  dense,         ///< a vector (SentenceEncoder::encode)
  sparse,        ///< a weight for some of the tokens of the vocabulary (treble/sparse.h)
  multi_vector,  ///< a vector for each of its tokens (late interaction)
};
/// "dense", "sparse", "multi-vector".
TREBLE_API std::string to_string(OutputKind kind);
/// Throws Error{invalid_argument} naming the three.
TREBLE_API OutputKind parse_output_kind(std::string_view name);

/// What a text is in retrieval, for models that read the two in ways of their own.
enum class TextRole { query, document };
/// "query", "document".
TREBLE_API std::string to_string(TextRole role);
/// Throws Error{invalid_argument} naming the two.
TREBLE_API TextRole parse_text_role(std::string_view name);

/// How the outputs of a call are made.
struct OutputOptions {
  /// How texts are read: temperature, prompt, truncation, max_length, batch_tokens, progress, stop. `normalize` and
  /// `dimensions` are of dense vectors alone and must be left as they are where those are not asked for.
  EncodeOptions encode = {};
  /// Unset: as the model's files say, which is `document` where they say nothing. Of no meaning for a model that reads
  /// queries and documents alike, but for the prompt: where `encode` names none, it is the model's prompt "query" or
  /// "document", if it has one, as in sentence-transformers' encode_query and encode_document.
  std::optional<TextRole> role = {};
  /// Of sparse outputs: keep as many of the largest weights of a text. Unset: as the model's files say, or all.
  std::optional<std::int64_t> max_active_dims = {};
};

}  // namespace treble
