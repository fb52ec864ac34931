// How long a text may be, out of the numbers that a model's files state.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/json_file.h"
#include "models/encoder.h"
#include "models/encoder_config.h"
#include "treble/options.h"

namespace treble::internal {

/// A number of tokens, and where it stands: "max_seq_length of sentence_bert_config.json".
struct StatedLimit {
  std::int64_t tokens = 0;
  std::string source;
};

/// What the files of a model say about the length of texts. All include special tokens.
struct StatedLimits {
  std::optional<StatedLimit> call;       ///< max_length among the processing_kwargs of sentence_bert_config.json
  std::optional<StatedLimit> own;        ///< max_seq_length there, or model_max_length among its tokenizer arguments
  std::optional<StatedLimit> tokenizer;  ///< model_max_length of tokenizer_config.json
  std::optional<StatedLimit> positions;  ///< max_position_embeddings of config.json
};

/// More than any text has: what a file means by 1e30.
constexpr std::int64_t kNoLimit = std::int64_t{1} << 40;

/// The number under `key`; nothing when it is absent or null. Throws Error{invalid_file} naming file, key and value
/// when it is no whole number from 1.
std::optional<StatedLimit> read_limit(const JsonObject& json, const char* key);

struct LengthLimit {
  std::int64_t tokens = 0;
  std::string source;
  bool stated = true;  ///< by the model's files; false: Treble's own maximum
  /// What max_length may be raised to without an extension.
  std::int64_t position_limit = 0;
  /// Where the stated limit goes beyond the position table: how many tokens more a text may have if that many of its
  /// tokens are padding_idx, which takes no row of the table (RoBERTa).
  std::int64_t uncounted_tokens = 0;
  /// Where a file asks for more than the model has positions for; empty: nothing to say.
  std::string warning;
};

/// As sentence-transformers 6.2 chooses: `call`, else `own`, else the smaller of `tokenizer` and `positions`. A limit
/// of a file's own may go beyond the positions where no table ends there (rotary, relative, ALiBi); a learned table
/// cuts every limit, for its rows are all there is.
LengthLimit choose_length(const StatedLimits& stated, const EncoderConfig& config);

/// The length limit in force and the positions for it. Throws Error{invalid_argument} naming what the model has when
/// ModelOptions::max_length is out of range.
LengthPlan plan_lengths(const ModelOptions& options, const LengthLimit& limit);

}  // namespace treble::internal
