// What the tokenizer of a model makes of texts.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "treble/export.h"
#include "treble/options.h"
#include "treble/sentence_encoder.h"

namespace treble {

/// A text as ids of the model's vocabulary.
using TokenIds = std::vector<std::int32_t>;

/// The token ids that the model reads of each text: special tokens and prompt included, cut to the limit in force.
/// Throws what SentenceEncoder::encode throws for such texts and options; the model does not run.
TREBLE_API std::vector<TokenIds> token_ids(const SentenceEncoder& encoder, std::span<const std::string_view> texts,
                                           const EncodeOptions& options = {});

/// As SentenceEncoder::encode, for texts that are token ids already. They are read as they are: no special tokens and
/// no prompt are added, so the ids that `token_ids` gives for a text have the text's vector. A list of more ids than
/// the limit is cut at its end or start like a text, whatever stands there. Throws what `encode` throws, and
/// Error{invalid_argument} for a list without ids and for an id outside the vocabulary (Error::text_index is the list),
/// and for a prompt, which cannot be put before ids: with a model that has a default prompt, set
/// EncodeOptions::prompt_name to "".
TREBLE_API Embeddings encode_token_ids(const SentenceEncoder& encoder, std::span<const TokenIds> lists,
                                       const EncodeOptions& options = {});

/// A token, and the part of "prompt + text" that it comes from.
struct Token {
  std::int32_t id = 0;
  /// That part as it is written there; of a special token that was added, its name: "[CLS]".
  std::string text;
  bool special = false;  ///< added by the model's template; false for one that the text itself spells out
  /// Half-open ranges of "prompt + text", in bytes and in Unicode characters; empty for special tokens.
  std::int64_t byte_begin = 0;
  std::int64_t byte_end = 0;
  std::int64_t char_begin = 0;
  std::int64_t char_end = 0;
};

/// What a text is tokenized with.
struct TokenizationOptions {
  bool add_special_tokens = true;
  std::optional<std::string> prompt_name = {};  ///< as EncodeOptions::prompt_name
  std::optional<std::string> prompt = {};       ///< as EncodeOptions::prompt
};

/// All tokens of each text, however many: nothing is cut to the limit. Throws Error{invalid_argument} for a text that
/// is not UTF-8, naming it in Error::text_index, and Error{not_found, invalid_argument} for the prompt.
TREBLE_API std::vector<std::vector<Token>> tokenize(const SentenceEncoder& encoder,
                                                    std::span<const std::string_view> texts,
                                                    const TokenizationOptions& options = {});

/// The text of token ids, as the model's tokenizer writes it; with `skip_special_tokens` without those the tokenizer
/// marks as special. Throws Error{invalid_argument} for an id outside the vocabulary, and for one that the tokenizer
/// has no token for (the model's table may have more rows).
TREBLE_API std::string decode(const SentenceEncoder& encoder, std::span<const std::int32_t> ids,
                              bool skip_special_tokens = true);

/// The hidden states of one text that pooling works on, special tokens and prompt included.
struct TokenEmbeddings {
  std::int64_t num_tokens = 0;  ///< rows
  std::int64_t dim = 0;         ///< the model's hidden size
  std::vector<float> values;    ///< [num_tokens, dim], row-major
  TokenCount count;             ///< `used` is num_tokens; `tokens` is more where the text was cut to the limit
};

/// One for each text. Texts are read one after the other, on one thread each. Of the options normalize, dimensions and
/// batch_tokens have no meaning here; progress and stop come between texts. Throws what SentenceEncoder::encode throws,
/// Error{non_finite} for NaN and infinity among it.
TREBLE_API std::vector<TokenEmbeddings> token_embeddings(const SentenceEncoder& encoder,
                                                         std::span<const std::string_view> texts,
                                                         const EncodeOptions& options = {});
/// The same for texts that are token ids already, read as encode_token_ids reads them. Throws what it throws.
TREBLE_API std::vector<TokenEmbeddings> token_embeddings(const SentenceEncoder& encoder,
                                                         std::span<const TokenIds> lists,
                                                         const EncodeOptions& options = {});

}  // namespace treble
