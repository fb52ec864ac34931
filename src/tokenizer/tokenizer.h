// Text to token ids, equal to Hugging Face's fast tokenizers: the C++ owner of a handle of rust/tokenizers_ffi.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "tokenizer/tokenized_text.h"
#include "treble/options.h"

struct TrebleTokTokenizer;

namespace treble::internal {

/// How a tokenizer is loaded.
struct TokenizerOptions {
  /// False, as in Hugging Face: "[SEP]" in a text becomes the special token. True: it is split like any other text.
  bool special_tokens_as_text = false;
  /// Lower-case texts before everything else, unless the normalizer has a "Lowercase" step: `do_lower_case` of
  /// sentence-transformers.
  bool lowercase = false;
};

/// How one text is encoded.
struct TokenizeOptions {
  /// Maximum number of tokens, special tokens included; must leave room for them and one more. Unset: no limit.
  std::optional<std::size_t> max_length;
  /// What to do with a longer text; unset: as the tokenizer says (default_truncation). Cutting equals `truncation=True,
  /// max_length=N` of Hugging Face: the special tokens stay where the model's template puts them, tokens of the text
  /// are dropped.
  std::optional<Truncation> truncation = {};
  /// Add the model's special tokens.
  bool add_special_tokens = true;
  /// A text of more than twice as many bytes is tokenized in pieces of about this size where that cannot change its
  /// tokens; 0 chooses.
  std::size_t window_bytes = 0;
};

/// One token with where it comes from.
struct TokenDetail {
  std::int32_t id = 0;
  std::string token;
  /// Half-open ranges of the text, in bytes and in Unicode characters; empty for added special tokens.
  std::size_t byte_begin = 0;
  std::size_t byte_end = 0;
  std::size_t char_begin = 0;
  std::size_t char_end = 0;
  /// Added by the template; false for a special token that the text itself spelled out.
  bool special = false;
};

struct DetailedText {
  std::vector<TokenDetail> tokens;
  /// As TokenizedText::num_tokens.
  std::size_t num_tokens = 0;
};

/// A loaded tokenizer. Immutable after loading (and make_special): every const function may be called from any number
/// of threads at once. Padding, truncation and BPE dropout stored in tokenizer.json are ignored. Results do not depend
/// on the locale.
///
/// Memory: each BPE tokenizer keeps a cache of at most 10 000 words (each up to 256 bytes) for every thread that
/// encodes with it, a Unigram one a single such cache. A text takes about 100 to 450 bytes a byte while it is encoded,
/// a long one only for the longest stretch without a place where it can safely be cut (docs/tokenizers.md says where
/// each kind of tokenizer can be cut).
class Tokenizer {
 public:
  /// The file as it stands. Throws Error{not_found, io} for it, Error{invalid_file} naming it if it is not a usable
  /// tokenizer.json.
  static Tokenizer from_file(const std::filesystem::path& path, const TokenizerOptions& options = {});

  /// The tokenizer that `AutoTokenizer.from_pretrained(folder)` of transformers 5.24 gives: tokenizer.json as
  /// config.json, tokenizer_config.json, special_tokens_map.json and added_tokens.json have it (docs/tokenizers.md).
  /// Without tokenizer.json: as transformers builds it from vocab.txt, vocab.json and merges.txt,
  /// sentencepiece.bpe.model or spiece.model, whichever the tokenizer class reads.
  /// Throws as from_file, and Error{invalid_file, unsupported} naming the file and the key for settings that contradict
  /// each other or that cannot be followed.
  static Tokenizer from_folder(const std::filesystem::path& folder, const TokenizerOptions& options = {});

  /// A tokenizer.json from bytes, which need not outlive the call; `name` stands for the file in messages and in
  /// Error::file().
  static Tokenizer from_json(std::string_view json, std::string name, const TokenizerOptions& options = {});

  Tokenizer(Tokenizer&&) noexcept = default;
  Tokenizer& operator=(Tokenizer&&) noexcept = default;
  ~Tokenizer() = default;

  /// From now on a text that spells out `token` of the vocabulary has it as a special token, unnormalized:
  /// `add_special_tokens` of transformers. Before any encoding. Throws Error{invalid_file} where there is no such
  /// token.
  void make_special(std::string_view token);

  /// Encodes a text, which may be empty and may contain NUL.
  /// Throws Error{invalid_argument} for invalid UTF-8 (naming the byte; lone surrogates are invalid UTF-8 too, as they
  /// are refused by Hugging Face) and for a limit without room; Error{text_too_long} with both counts if the text is
  /// longer and truncation is `error`, Error{invalid_argument} if there is not enough memory for it;
  /// Error{invalid_file} if the tokenizer has no token for a character and no unknown token either.
  TokenizedText encode(std::string_view text, const TokenizeOptions& options = {}) const;

  /// Two texts in one sequence, laid out by the tokenizer's template of pairs, with token types where it gives them.
  /// Over the limit the longer one is cut, then both alike: `truncation="longest_first"` of Hugging Face. Otherwise as
  /// encode.
  TokenizedText encode_pair(std::string_view first, std::string_view second, const TokenizeOptions& options = {}) const;

  /// As encode, with token strings and places; slower.
  DetailedText encode_with_details(std::string_view text, const TokenizeOptions& options = {}) const;

  /// Tokens that `prompt` occupies at the head of "prompt + text", counted as sentence-transformers does for
  /// include_prompt=false: all tokens of the prompt alone, without a special token at its end. 0 for an empty prompt.
  /// Under a limit in `options` the prompt is cut as a text would be; a limit that is an error for texts is none here.
  std::int32_t count_prompt_tokens(std::string_view prompt, TokenizeOptions options = {}) const;

  /// The text of `ids`. Throws Error{invalid_argument} for a negative id; ids without a token are left out.
  std::string decode(std::span<const std::int32_t> ids, bool skip_special_tokens = true) const;

  /// The id of a token of the vocabulary (added tokens included), and back.
  std::optional<std::int32_t> token_to_id(std::string_view token) const;
  std::optional<std::string> id_to_token(std::int32_t id) const;

  /// Whether `id` is an added token that the file marks as special.
  bool is_special(std::int32_t id) const;

  /// Tokens in the vocabulary, added tokens included. Ids may have holes, so the largest one may be greater.
  std::size_t vocab_size() const;
  /// The largest id; what the rows of the embedding table are to be compared with. Slow: copies the vocabulary.
  std::int64_t max_token_id() const;
  /// Special tokens that are added to a text.
  std::size_t num_special_tokens() const;

  /// The same for a pair of texts.
  std::size_t num_special_tokens_of_pair() const;
  /// Whether the model is given the token types of a pair (`token_type_ids` among its `model_input_names`).
  bool gives_token_types() const;

  /// What is dropped of a longer text where the caller does not say: the start if the files say so
  /// (`truncation_side: left`), else the end.
  Truncation default_truncation() const;
  /// Where the files disagree and what was done about it, a sentence each.
  std::vector<std::string> warnings() const;

  /// The file, for messages.
  const std::string& name() const noexcept { return name_; }

 private:
  struct Free {
    void operator()(TrebleTokTokenizer* handle) const noexcept;
  };

  Tokenizer(std::unique_ptr<TrebleTokTokenizer, Free> handle, std::string name)
      : handle_(std::move(handle)), name_(std::move(name)) {}

  struct SideFiles;
  /// No `json`: from the vocabulary among the files.
  static Tokenizer load(std::optional<std::string_view> json, std::string name, const SideFiles* files,
                        const TokenizerOptions& options);

  std::unique_ptr<TrebleTokTokenizer, Free> handle_;
  std::string name_;
};

}  // namespace treble::internal
