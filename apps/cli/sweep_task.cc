#include "sweep_task.h"

#include <algorithm>
#include <utility>

#include "fail.h"
#include "output/metadata.h"
#include "resume.h"

namespace treble::cli {

namespace {

/// The unit of what is kept, and of what Ctrl-C waits for.
constexpr std::size_t kLotTexts = 128;

std::vector<std::string_view> views(std::span<const std::string> texts) { return {texts.begin(), texts.end()}; }

}  // namespace

std::string SweepSetting::name() const {
  std::string name = temperature.is_identity() ? "" : temperature.to_string();
  const auto add = [&name](const std::string& part) { name += (name.empty() ? "" : " + ") + part; };
  if (!variant_name.empty()) add(variant_name);
  if (chunks) add(chunks->to_string());
  if (post) add(post->to_string());
  return name.empty() ? temperature.to_string() : name;
}

std::string CachedEncoder::settings_of(const SweepSetting& setting, const EncodeOptions& options) const {
  Json json = identity_of(describe_vectors(*encoders_[setting.variant], options));
  // Across machines even float32 differs by 1e-6; a rerun on one machine gives equal bits.
  json["cpu_isa"] = encoders_[setting.variant]->info().cpu_isa;
  json["chunks"] = setting.chunks ? Json(setting.chunks->to_string()) : Json();
  return dump(json, -1);
}

CachedVectors CachedEncoder::encode_lot(std::span<const std::string_view> texts, const SweepSetting& setting,
                                        const EncodeOptions& options) const {
  const std::string key = VectorCache::key(settings_of(setting, options), texts);
  if (auto found = cache_.find(key, texts.size())) return std::move(*found);
  const SentenceEncoder& encoder = *encoders_[setting.variant];
  Embeddings embeddings =
      setting.chunks ? encode_chunked(encoder, texts, options, *setting.chunks) : encoder.encode(texts, options);
  CachedVectors vectors{embeddings.dim, std::move(embeddings.values), {}};
  for (const TokenCount& count : embeddings.token_counts) vectors.tokens.push_back(count.used);
  cache_.keep(key, vectors);
  return vectors;
}

CachedVectors CachedEncoder::encode(std::span<const std::string> texts, const SweepSetting& setting,
                                    const SweepPrompt& prompt) const {
  EncodeOptions options = options_;
  options.temperature = setting.temperature;
  if (prompt.name || prompt.text) {
    options.prompt_name = prompt.name;
    options.prompt = prompt.text;
  }
  CachedVectors all;
  const auto all_views = views(texts);
  for (std::size_t begin = 0; begin < all_views.size(); begin += kLotTexts) {
    const auto lot = std::span(all_views).subspan(begin, std::min(kLotTexts, all_views.size() - begin));
    CachedVectors vectors = encode_lot(lot, setting, options);
    all.dim = vectors.dim;
    all.values.insert(all.values.end(), vectors.values.begin(), vectors.values.end());
    all.tokens.insert(all.tokens.end(), vectors.tokens.begin(), vectors.tokens.end());
    if (progress_) progress_(lot.size());
  }
  return all;
}

bool CachedEncoder::normalizes() const { return options_.normalize.value_or(encoders_.front()->info().normalizes); }

}  // namespace treble::cli
