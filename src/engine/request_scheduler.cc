#include "engine/request_scheduler.h"

#include <algorithm>

namespace treble::internal {

void RequestScheduler::add(const ScheduledText& text, int group) {
  Flow& flow = flows_[text.request];
  // A text without tokens still takes its turn.
  const std::int64_t cost = std::max<std::int64_t>(text.tokens, 1);
  const std::int64_t key = std::max(clock_, flow.last_key) + overtaking_ * cost;
  if (flow.texts.empty()) heads_.emplace(key, text.request);
  flow.group = group;
  flow.last_key = key;
  flow.texts.push_back({text, key});
  clock_ += cost;
  waiting_tokens_ += text.tokens;
}

void RequestScheduler::remove(std::uint64_t request) {
  const auto found = flows_.find(request);
  if (found == flows_.end()) return;
  const auto& texts = found->second.texts;
  if (!texts.empty()) heads_.erase({texts.front().key, request});
  for (const Waiting& waiting : texts) waiting_tokens_ -= waiting.text.tokens;
  flows_.erase(found);
}

std::vector<ScheduledText> RequestScheduler::next_batch(std::int64_t token_budget) {
  std::vector<ScheduledText> batch;
  std::int64_t tokens = 0;
  int group = 0;
  while (!heads_.empty()) {
    const std::uint64_t request = heads_.begin()->second;
    Flow& flow = flows_.at(request);
    const ScheduledText next = flow.texts.front().text;
    if (!batch.empty() && (flow.group != group || tokens + next.tokens > token_budget)) break;
    group = flow.group;
    tokens += next.tokens;
    batch.push_back(next);
    flow.texts.pop_front();
    heads_.erase(heads_.begin());
    if (!flow.texts.empty()) heads_.emplace(flow.texts.front().key, request);
  }
  waiting_tokens_ -= tokens;
  return batch;
}

}  // namespace treble::internal
