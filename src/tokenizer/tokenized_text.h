// What the tokenizer hands to the batch packer: one text as token ids.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace treble::internal {

struct TokenizedText {
  /// Token ids, special tokens included, at most as many as the limit; of a text, or of a pair in one sequence.
  std::vector<std::int32_t> ids;
  /// Tokens of the whole text, special tokens included: more than ids.size() exactly if the text was cut.
  std::size_t num_tokens = 0;
  /// The token type of each id, of a pair of texts whose tokenizer gives types; empty: all are of type 0.
  std::vector<std::uint8_t> token_types = {};
  /// Last ids, of `ids` but not of `num_tokens`, that a query was filled up with (ColBERT's query expansion).
  std::int32_t expansion_tokens = 0;
  /// How many of those attend to the others and are attended to by none, themselves included: all or none.
  std::int32_t unattended_tokens = 0;
  /// Leading ids that belong to the prompt, a leading special token included; pooling leaves them out where the model
  /// says include_prompt=false. Set by whoever put the prompt before the text.
  std::int32_t prompt_tokens = 0;
};

}  // namespace treble::internal
