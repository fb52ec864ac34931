#include "batch/batch_packer.h"

#include <algorithm>
#include <numeric>

#include "base/fail.h"

namespace treble::internal {

void append(const TokenizedText& text, std::int64_t index, PackedBatch& batch) {
  if (batch.offsets.empty()) batch.offsets.push_back(0);
  if (!text.token_types.empty()) {
    batch.token_types.resize(batch.ids.size());
    batch.token_types.insert(batch.token_types.end(), text.token_types.begin(), text.token_types.end());
  }
  if (text.unattended_tokens != 0 || !batch.key_counts.empty()) {
    for (auto s = std::ssize(batch.key_counts); s < batch.num_sequences(); ++s)
      batch.key_counts.push_back(batch.length(s));
    batch.key_counts.push_back(std::ssize(text.ids) - text.unattended_tokens);
  }
  batch.ids.insert(batch.ids.end(), text.ids.begin(), text.ids.end());
  if (!batch.token_types.empty()) batch.token_types.resize(batch.ids.size());
  batch.offsets.push_back(static_cast<std::int64_t>(batch.ids.size()));
  batch.text_index.push_back(index);
  batch.prompt_tokens.push_back(text.prompt_tokens);
}

std::vector<PackedBatch> pack_batches(std::span<const TokenizedText> texts, const BatchPlan& plan) {
  if (plan.token_budget < 1) {
    fail(ErrorCode::invalid_argument, "batch_tokens must be at least 1, got {}", plan.token_budget);
  }
  std::vector<std::size_t> order(texts.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return texts[a].ids.size() > texts[b].ids.size(); });
  std::int64_t remaining = 0;
  for (const auto& text : texts) remaining += static_cast<std::int64_t>(text.ids.size());
  std::vector<PackedBatch> batches;
  std::int64_t max_tokens = 0;
  for (const std::size_t index : order) {
    const auto length = static_cast<std::int64_t>(texts[index].ids.size());
    if (batches.empty() || batches.back().total_tokens() + length > max_tokens) {
      const std::int64_t share = (remaining + plan.shares - 1) / plan.shares;
      max_tokens = std::min(plan.token_budget, std::max(share, plan.min_tokens));
      batches.emplace_back();
    }
    append(texts[index], static_cast<std::int64_t>(index), batches.back());
    remaining -= length;
  }
  return batches;
}

}  // namespace treble::internal
