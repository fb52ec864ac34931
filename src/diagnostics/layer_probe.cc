#include "diagnostics/layer_probe.h"

#include <algorithm>

#include "diagnostics/attention_statistics.h"
#include "diagnostics/token_statistics.h"

namespace treble::internal {

namespace {

AttentionEstimate measure_head(const AttentionInputs& inputs, std::int64_t sequence, std::int64_t head) {
  const HeadLogits logits(inputs, sequence, head);
  // The scale of the text's last token: that of its whole length, causal or not.
  const std::int64_t tokens = inputs.offsets.back();
  const std::int64_t last = inputs.offsets[static_cast<std::size_t>(sequence) + 1] - 1;
  const auto scale = double{inputs.logit_scales[static_cast<std::size_t>(head * tokens + last)]};
  const auto attention = logits.probabilities(scale);
  AttentionEstimate estimate;
  estimate.logit_std = logits.standard_deviation(scale);
  estimate.entropy = normalized_entropy(attention, logits.length());
  estimate.filter_rate = filter_rate(attention, logits.length());
  estimate.bound = filter_rate_bound(estimate.logit_std, logits.length());
  estimate.above_bound = estimate.filter_rate > estimate.bound ? 1 : 0;
  return estimate;
}

void add(const AttentionEstimate& from, AttentionEstimate& to) {
  to.logit_std += from.logit_std;
  to.entropy += from.entropy;
  to.filter_rate += from.filter_rate;
  to.bound += from.bound;
  to.above_bound += from.above_bound;
}

void divide(AttentionEstimate& estimate, double count) {
  estimate.logit_std /= count;
  estimate.entropy /= count;
  estimate.filter_rate /= count;
  estimate.bound /= count;
  estimate.above_bound /= count;
}

}  // namespace

void LayerProbe::on_attention(std::int64_t layer, const PackedBatch& batch, const AttentionInputs& inputs) {
  if (std::find(place_.layers.begin(), place_.layers.end(), layer) == place_.layers.end()) return;
  auto found = std::find_if(layers_.begin(), layers_.end(), [&](const LayerSums& sums) { return sums.layer == layer; });
  if (found == layers_.end()) {
    layers_.push_back({layer, std::vector<AttentionEstimate>(static_cast<std::size_t>(inputs.num_heads))});
    found = layers_.end() - 1;
  }
  for (std::int64_t sequence = 0; sequence < batch.num_sequences(); ++sequence) {
    parallel_for_(inputs.num_heads, [&](std::int64_t head) {
      AttentionEstimate& sums = found->heads[static_cast<std::size_t>(head)];
      add(measure_head(inputs, sequence, head), sums);
      ++sums.texts;
    });
  }
}

void LayerProbe::on_hidden_states(std::int64_t layer, const PackedBatch& batch, ConstMatrixView hidden) {
  // Layer L's attention turns what stands after L blocks into what stands after L + 1.
  const bool wanted = std::any_of(place_.layers.begin(), place_.layers.end(),
                                  [&](std::int64_t looked) { return looked == layer || looked + 1 == layer; });
  if (!wanted) return;
  auto found = std::find_if(tokens_.begin(), tokens_.end(), [&](const TokenSums& sums) { return sums.layer == layer; });
  if (found == tokens_.end()) {
    tokens_.push_back({layer, 0, {}});
    found = tokens_.end() - 1;
  }
  for (std::int64_t sequence = 0; sequence < batch.num_sequences(); ++sequence) {
    const auto at = static_cast<std::size_t>(sequence);
    const auto statistics = token_statistics(hidden.row_range(batch.offsets[at], batch.offsets[at + 1]));
    found->sums.hc_ratio += statistics.hc_ratio;
    found->sums.token_cosine += statistics.token_cosine;
    ++found->texts;
  }
}

std::vector<AttentionEstimate> LayerProbe::attention() const {
  std::vector<AttentionEstimate> result;
  for (const LayerSums& sums : layers_) {
    AttentionEstimate mean{.setting = place_.setting, .layer = sums.layer, .length = place_.length};
    std::vector<AttentionEstimate> heads = sums.heads;
    for (std::size_t head = 0; head < heads.size(); ++head) {
      AttentionEstimate& estimate = heads[head];
      estimate.setting = place_.setting;
      estimate.layer = sums.layer;
      estimate.head = static_cast<std::int64_t>(head);
      estimate.length = place_.length;
      divide(estimate, static_cast<double>(std::max<std::int64_t>(1, estimate.texts)));
      mean.texts = estimate.texts;
      add(estimate, mean);
    }
    divide(mean, static_cast<double>(heads.size()));
    result.push_back(mean);
    result.insert(result.end(), heads.begin(), heads.end());
  }
  return result;
}

std::vector<TokenEstimate> LayerProbe::tokens() const {
  std::vector<TokenEstimate> result;
  for (const TokenSums& sums : tokens_) {
    TokenEstimate estimate = sums.sums;
    estimate.setting = place_.setting;
    estimate.layer = sums.layer;
    estimate.length = place_.length;
    estimate.hc_ratio /= static_cast<double>(sums.texts);
    estimate.token_cosine /= static_cast<double>(sums.texts);
    result.push_back(estimate);
  }
  return result;
}

}  // namespace treble::internal
