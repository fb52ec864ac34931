// Which texts travel together.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "batch/packed_batch.h"
#include "tokenizer/tokenized_text.h"

namespace treble::internal {

/// How large batches are.
struct BatchPlan {
  std::int64_t token_budget = 1;  ///< tokens of a batch at most; a text longer than that travels alone, whole
  /// Batches take no more than this share of what is still to be packed (1: as much as the budget allows), down to
  /// `min_tokens`: with a share a thread the last ones to be worked on are small, and threads finish together.
  int shares = 1;
  std::int64_t min_tokens = 1;
};

/// Puts a text, number `index` of its call, behind those that the batch has.
void append(const TokenizedText& text, std::int64_t index, PackedBatch& batch);

/// Divides texts into batches, longest text first. Every text appears exactly once. Throws Error{invalid_argument} when
/// token_budget < 1.
std::vector<PackedBatch> pack_batches(std::span<const TokenizedText> texts, const BatchPlan& plan);

}  // namespace treble::internal
