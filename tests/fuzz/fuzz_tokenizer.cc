// Three ways to feed the tokenizer what it should not trust. The first byte chooses: the rest is a tokenizer.json to
// load and use; or it is written over part of a good one (place and length in the next three bytes), so that a fuzzer
// without a corpus gets past the parser; or it is a text for small valid tokenizers, with options from the first byte.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "tokenizer/tokenizer.h"
#include "treble/error.h"

namespace {

using treble::internal::Tokenizer;

constexpr std::string_view word_piece = R"({"version": "1.0", "added_tokens": [
  {"id": 2, "content": "[CLS]", "single_word": false, "lstrip": false, "rstrip": false, "normalized": false, "special": true},
  {"id": 3, "content": "[SEP]", "single_word": true, "lstrip": true, "rstrip": true, "normalized": false, "special": true}],
  "normalizer": {"type": "BertNormalizer", "clean_text": true, "handle_chinese_chars": true, "strip_accents": null,
    "lowercase": true},
  "pre_tokenizer": {"type": "BertPreTokenizer"},
  "post_processor": {"type": "BertProcessing", "sep": ["[SEP]", 3], "cls": ["[CLS]", 2]},
  "decoder": {"type": "WordPiece", "prefix": "##", "cleanup": true},
  "model": {"type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##", "max_input_chars_per_word": 100,
    "vocab": {"[PAD]": 0, "[UNK]": 1, "[CLS]": 2, "[SEP]": 3, "a": 4, "b": 5, "##a": 6, "##b": 7}}})";

constexpr std::string_view unigram = R"({"version": "1.0", "added_tokens": [
  {"id": 0, "content": "<s>", "single_word": false, "lstrip": true, "rstrip": false, "normalized": true, "special": true}],
  "normalizer": {"type": "NFKC"},
  "pre_tokenizer": {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "first", "split": true},
  "decoder": {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "first", "split": true},
  "model": {"type": "Unigram", "unk_id": 1, "byte_fallback": false,
    "vocab": [["<s>", 0.0], ["<unk>", 0.0], ["▁", -2.0], ["a", -2.5], ["▁a", -2.2], ["ab", -3.0]]}})";

void require(bool condition) {
  if (!condition) {
    std::abort();
  }
}

/// Encodes in both ways; whatever does not throw must agree with itself.
void encode(const Tokenizer& tokenizer, std::string_view text, const treble::internal::TokenizeOptions& options) {
  try {
    const treble::internal::TokenizedText plain = tokenizer.encode(text, options);
    const treble::internal::DetailedText details = tokenizer.encode_with_details(text, options);
    require(plain.ids.size() == details.tokens.size() && plain.num_tokens == details.num_tokens);
    require(plain.num_tokens >= plain.ids.size());
    require(!options.max_length || plain.ids.size() <= *options.max_length);
    for (std::size_t i = 0; i < plain.ids.size(); ++i) {
      require(plain.ids[i] == details.tokens[i].id);
    }
    tokenizer.decode(plain.ids);
  } catch (const treble::Error& error) {
    require(*error.what() != '\0');
  }
}

void load(std::string_view json) {
  try {
    const Tokenizer tokenizer = Tokenizer::from_json(json, "fuzz");
    for (const std::string_view text : {std::string_view(), std::string_view("a [SEP] b 漢 <s>\0zz", 20)}) {
      encode(tokenizer, text, {});
      encode(tokenizer, text, {.max_length = 4, .truncation = treble::Truncation::start});
    }
    tokenizer.vocab_size();
    tokenizer.max_token_id();
  } catch (const treble::Error& error) {
    require(*error.what() != '\0');
  }
}

/// Replaces a part of a valid file by what the fuzzer wants.
void load_damaged(std::string_view data) {
  if (data.size() < 3) {
    return;
  }
  const auto byte = [&](std::size_t i) { return static_cast<std::size_t>(static_cast<unsigned char>(data[i])); };
  std::string json((byte(0) & 1) != 0 ? word_piece : unigram);
  const std::size_t place = (byte(0) * 256 + byte(1)) / 2 % json.size();
  json.replace(place, byte(2) % 64, data.substr(3));
  load(json);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) {
    return 0;
  }
  const std::uint8_t choice = data[0];
  const std::string_view rest(reinterpret_cast<const char*>(data) + 1, size - 1);
  if (choice % 2 == 0) {
    (choice & 0x02) != 0 ? load_damaged(rest) : load(rest);
    return 0;
  }
  static const Tokenizer tokenizers[] = {
      Tokenizer::from_json(word_piece, "word_piece"),
      Tokenizer::from_json(word_piece, "word_piece", {.special_tokens_as_text = true}),
      Tokenizer::from_json(unigram, "unigram"),
  };
  treble::internal::TokenizeOptions options;
  options.truncation = static_cast<treble::Truncation>((choice >> 1) % 3);
  options.add_special_tokens = (choice & 0x08) != 0;
  if ((choice & 0x10) != 0) {
    options.max_length = choice >> 5;
  }
  for (const Tokenizer& tokenizer : tokenizers) {
    encode(tokenizer, rest, options);
  }
  return 0;
}
