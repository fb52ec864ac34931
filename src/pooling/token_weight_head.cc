#include "pooling/token_weight_head.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <utility>

namespace treble::internal {

TokenWeightHead::TokenWeightHead(Parts parts) : parts_(std::move(parts)) {}

/// Before relu; summed in double, so that it depends on the state alone.
float TokenWeightHead::weight_of(std::span<const float> state) const {
  auto sum = static_cast<double>(parts_.bias);
  for (std::size_t i = 0; i < state.size(); ++i) {
    sum += static_cast<double>(parts_.weight[i]) * static_cast<double>(state[i]);
  }
  return static_cast<float>(sum);
}

std::vector<TokenWeights> TokenWeightHead::run(const Execution& execution, const PackedBatch& batch,
                                               ConstMatrixView hidden) const {
  std::vector<float> weights(static_cast<std::size_t>(batch.total_tokens()));
  constexpr std::int64_t kGrain = 64;
  execution.for_ranges(batch.total_tokens(), kGrain, [&](std::int64_t begin, std::int64_t end, int) {
    for (std::int64_t row = begin; row < end; ++row) {
      weights[static_cast<std::size_t>(row)] = weight_of(hidden.row_span(row));
    }
  });
  std::vector<TokenWeights> texts;
  texts.reserve(static_cast<std::size_t>(batch.num_sequences()));
  for (std::int64_t s = 0; s < batch.num_sequences(); ++s) {
    std::map<std::int32_t, float> largest;
    for (std::int64_t row = batch.offsets[static_cast<std::size_t>(s)];
         row < batch.offsets[static_cast<std::size_t>(s) + 1]; ++row) {
      const std::int32_t id = batch.ids[static_cast<std::size_t>(row)];
      const float weight = weights[static_cast<std::size_t>(row)];
      if (weight <= 0 || std::find(parts_.left_out.begin(), parts_.left_out.end(), id) != parts_.left_out.end()) {
        continue;
      }
      float& kept = largest[id];
      if (!(weight <= kept) && kept == kept) kept = weight;  // a NaN gets in and stays
    }
    TokenWeights& text = texts.emplace_back();
    for (const auto& [id, weight] : largest) {
      text.indices.push_back(id);
      text.values.push_back(weight);
    }
  }
  return texts;
}

std::vector<std::string> TokenWeightHead::descriptions() const {
  return {fmt::format("Sparse: relu of a linear layer of {}, the largest weight of each token", parts_.weight.size())};
}

}  // namespace treble::internal
