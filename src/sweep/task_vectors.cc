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

SweepReading sum_of(SweepReading a, const SweepReading& b) {
  a.texts += b.texts;
  a.cut += b.cut;
  a.tokens += b.tokens;
  a.read += b.read;
  return a;
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
  if (tempered && !(setting.temperature.is_identity() && setting.state.is_identity())) return assemble(setting);
  const bool fitted = setting.post.has_value();
  setting.temperature = {};
  setting.state = {};
  setting.post.reset();
  const std::string name = setting.name();
  if (const auto found = kept_.find(name); found != kept_.end()) {
    if (!fitted) encoder_.skip(side_.size());
    return found->second;
  }
  return kept_[name] = assemble(setting);
}

CachedVectors SideEncoder::assemble(const SweepSetting& setting) {
  const std::int64_t longest = encoder_.longest_whole(setting);
  const std::string key = setting.variant + '\n' + setting.temperature.canonical() + '\n' + setting.state.canonical();
  if (whole_.key != key) whole_ = {key, 0, {}, std::vector<bool>(side_.size())};
  const auto shared = [&](std::size_t text) { return whole_.there[text] && tokens()[text] <= longest; };
  std::vector<std::size_t> missing;
  for (std::size_t text = 0; text < side_.size(); ++text) {
    if (!shared(text)) missing.push_back(text);
  }
  if (missing.size() < side_.size()) encoder_.skip(side_.size() - missing.size());
  const CachedVectors encoded = encoder_.encode(side_, missing, setting, prompt_);
  if (whole_.dim == 0) whole_.dim = encoded.dim;
  const auto dim = static_cast<std::size_t>(whole_.dim);
  whole_.values.resize(side_.size() * dim);
  CachedVectors result{whole_.dim, {}, {}};
  result.values.reserve(side_.size() * dim);
  std::size_t next = 0;
  for (std::size_t text = 0; text < side_.size(); ++text) {
    float* const kept = whole_.values.data() + text * dim;
    if (shared(text)) {
      result.values.insert(result.values.end(), kept, kept + dim);
      result.tokens.push_back(tokens()[text]);
      continue;
    }
    const auto vector = row(encoded, next);
    result.values.insert(result.values.end(), vector.begin(), vector.end());
    result.tokens.push_back(encoded.tokens[next++]);
    if (tokens()[text] > longest) continue;
    std::copy(vector.begin(), vector.end(), kept);
    whole_.there[text] = true;
  }
  return result;
}

const std::vector<std::int64_t>& SideEncoder::tokens() {
  if (tokens_.empty()) tokens_ = encoder_.count_tokens(side_, prompt_);
  return tokens_;
}

SweepReading SideEncoder::reading(const SweepSetting& setting) {
  const bool everything = CachedEncoder::reads_everything(setting);
  const std::int64_t longest = encoder_.longest_whole(setting);
  SweepReading reading;
  for (const std::int64_t count : tokens()) {
    const std::int64_t read = everything ? count : std::min(count, longest);
    ++reading.texts;
    reading.cut += read < count ? 1 : 0;
    reading.tokens += count;
    reading.read += read;
  }
  return reading;
}

}  // namespace treble::internal
