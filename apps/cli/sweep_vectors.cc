#include "sweep_vectors.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "fail.h"

namespace treble::cli {

std::vector<std::size_t> first_numbers(std::size_t count) {
  std::vector<std::size_t> numbers(count);
  std::iota(numbers.begin(), numbers.end(), 0);
  return numbers;
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

std::vector<std::size_t> numbers_outside(const std::vector<bool>& held) {
  std::vector<std::size_t> rest;
  for (std::size_t number = 0; number < held.size(); ++number) {
    if (!held[number]) rest.push_back(number);
  }
  return rest;
}

CachedVectors applied(const PostTransform& transform, const CachedVectors& vectors, bool normalize) {
  return {transform.output_dim(), transform.apply(vectors.values, normalize), vectors.tokens};
}

void Variation::add(float score, const char* what) {
  if (!std::isfinite(score)) {
    fail(ErrorCode::non_finite, "the similarity of {} overflows float32; compare by cosine (--similarity cosine)",
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

CachedVectors Untempered::encode(SweepSetting setting, bool tempered) {
  if (tempered && !setting.temperature.is_identity()) return encoder_.encode(texts_, setting, prompt_);
  setting.temperature = {};
  setting.post.reset();
  const std::string name = setting.name();
  if (const auto found = kept_.find(name); found != kept_.end()) return found->second;
  return kept_[name] = encoder_.encode(texts_, setting, prompt_);
}

}  // namespace treble::cli
