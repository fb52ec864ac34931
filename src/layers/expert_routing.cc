#include "layers/expert_routing.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <numeric>
#include <span>

namespace treble::internal {

namespace {

/// Rows that are worth a thread.
constexpr std::int64_t kMinRoutedRows = 16;

/// Always in the same order, unlike a GEMM's, which may depend on the number of rows.
float dot(const float* a, const float* b, std::size_t size) {
  std::array<float, 16> sums = {};
  std::size_t i = 0;
  for (; i + sums.size() <= size; i += sums.size()) {
    for (std::size_t lane = 0; lane < sums.size(); ++lane) sums[lane] += a[i + lane] * b[i + lane];
  }
  for (; i < size; ++i) sums[0] += a[i] * b[i];
  return std::accumulate(sums.begin(), sums.end(), 0.0F);
}

/// In place.
void softmax(std::span<float> logits) {
  const float largest = *std::max_element(logits.begin(), logits.end());
  float sum = 0;
  for (float& value : logits) {
    value = std::exp(value - largest);
    sum += value;
  }
  for (float& value : logits) value /= sum;
}

/// The next largest that is not among the `taken`, the first of equals; some one even among NaNs.
std::int32_t next_largest(std::span<const float> values, std::span<const std::int32_t> taken) {
  std::int32_t best = -1;
  for (std::int32_t i = 0; i < std::ssize(values); ++i) {
    if (std::find(taken.begin(), taken.end(), i) != taken.end()) continue;
    if (best < 0 || values[static_cast<std::size_t>(i)] > values[static_cast<std::size_t>(best)]) best = i;
  }
  return best;
}

}  // namespace

void ExpertRouter::choose(std::span<const float> x, std::span<float> probabilities, std::int32_t* experts,
                          float* weights) const {
  for (std::size_t expert = 0; expert < probabilities.size(); ++expert) {
    probabilities[expert] = dot(parts_.weight.data() + expert * x.size(), x.data(), x.size());
  }
  softmax(probabilities);
  const std::span<std::int32_t> chosen(experts, static_cast<std::size_t>(parts_.active));
  for (std::size_t i = 0; i < chosen.size(); ++i) chosen[i] = next_largest(probabilities, chosen.first(i));
  std::sort(chosen.begin(), chosen.end());
  float sum = 0;
  for (std::size_t i = 0; i < chosen.size(); ++i) {
    weights[i] = probabilities[static_cast<std::size_t>(chosen[i])];
    sum += weights[i];
  }
  if (!parts_.normalized) return;
  for (std::size_t i = 0; i < chosen.size(); ++i) weights[i] /= sum;
}

void ExpertRouter::route(const Execution& execution, ConstMatrixView x, ExpertRoutes& routes) const {
  const auto count = static_cast<std::size_t>(x.rows * parts_.active);
  routes.active = parts_.active;
  routes.experts.resize(count);
  routes.weights.resize(count);
  execution.for_ranges(x.rows, kMinRoutedRows, [&](std::int64_t begin, std::int64_t end, int) {
    std::vector<float> probabilities(static_cast<std::size_t>(parts_.experts));
    for (std::int64_t row = begin; row < end; ++row) {
      const std::int64_t first = row * parts_.active;
      choose(x.row_span(row), probabilities, routes.experts.data() + first, routes.weights.data() + first);
    }
  });
  routes.offsets.assign(static_cast<std::size_t>(parts_.experts + 1), 0);
  for (const std::int32_t expert : routes.experts) ++routes.offsets[static_cast<std::size_t>(expert) + 1];
  std::partial_sum(routes.offsets.begin(), routes.offsets.end(), routes.offsets.begin());
  std::vector<std::int64_t> next(routes.offsets.begin(), routes.offsets.end() - 1);
  routes.places.resize(count);
  std::transform(routes.experts.begin(), routes.experts.end(), routes.places.begin(),
                 [&](std::int32_t expert) { return next[static_cast<std::size_t>(expert)]++; });
}

}  // namespace treble::internal
