// What the tokenizer of a model makes of texts.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "treble/export.h"
#include "treble/options.h"
#include "treble/sentence_encoder.h"

namespace treble {

/// The token ids that the model reads of each text: special tokens and prompt included, cut to the limit in force.
/// Throws what SentenceEncoder::encode throws for such texts and options; the model does not run.
TREBLE_API std::vector<std::vector<std::int32_t>> token_ids(const SentenceEncoder& encoder,
                                                            std::span<const std::string_view> texts,
                                                            const EncodeOptions& options = {});

}  // namespace treble
