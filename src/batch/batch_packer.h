// Which texts travel together.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "batch/packed_batch.h"
#include "tokenizer/tokenized_text.h"

namespace treble {

/// Divides texts into batches of at most `token_budget` tokens; a text longer than the budget travels alone, whole.
/// Every text appears exactly once. Batches come longest text first, so that the last ones to be worked on are small
/// and threads finish together. Throws Error{invalid_argument} when token_budget < 1.
std::vector<PackedBatch> pack_batches(std::span<const TokenizedText> texts, std::int64_t token_budget);

}  // namespace treble
