#include "sweep/task_vectors.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "base/fail.h"

namespace treble::internal {

std::vector<std::size_t> indices_up_to(std::size_t count) {
  std::vector<std::size_t> indices(count);
  std::iota(indices.begin(), indices.end(), 0);
  return indices;
}

CachedVectors rows_of(const CachedVectors& vectors, std::span<const std::size_t> rows) {
  CachedVectors result{vectors.dim, {}, {}};
  const auto dim = static_cast<std::size_t>(vectors.dim);
  for (const std::size_t row : rows) {
    const float* values = vectors.values.data() + row * dim;
    result.values.insert(result.values.end(), values, values + dim);
    result.tokens.push_back(vectors.tokens[row]);
  }
  return result;
}

std::vector<std::size_t> indices_outside(const std::vector<bool>& held) {
  std::vector<std::size_t> rest;
  for (std::size_t index = 0; index < held.size(); ++index) {
    if (!held[index]) rest.push_back(index);
  }
  return rest;
}

CachedVectors transformed(const PostTransform& transform, const CachedVectors& vectors, bool normalize) {
  return {transform.output_dim(), transform.apply(vectors.values, normalize), vectors.tokens};
}

void Variation::add(float score, const char* what) {
  if (!std::isfinite(score)) {
    fail(ErrorCode::non_finite, "the similarity of {} overflows float32; compare by cosine (SweepOptions::similarity)",
         what);
  }
  low_ = empty_ ? score : std::min(low_, score);
  high_ = empty_ ? score : std::max(high_, score);
  empty_ = false;
}

bool Variation::any() const noexcept {
  constexpr float kRounding = 1e-6F;
  return high_ - low_ > kRounding * std::max({1.0F, std::abs(low_), std::abs(high_)});
}

CachedVectors SideEncoder::encode(SweepSetting setting, bool tempered) {
  if (tempered && !setting.temperature.is_identity()) return encoder_.encode(texts_, setting, prompt_);
  setting.temperature = {};
  setting.post.reset();
  const std::string name = setting.name();
  if (const auto found = kept_.find(name); found != kept_.end()) return found->second;
  return kept_[name] = encoder_.encode(texts_, setting, prompt_);
}

}  // namespace treble::internal
