#include "sweep/cached_encoder.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <numeric>
#include <utility>
#include <vector>

#include "base/json_text.h"
#include "engine/encoder_access.h"
#include "engine/vector_identity.h"
#include "sweep/settings.h"
#include "treble/chunking.h"
#include "treble/provenance.h"

namespace treble::internal {

namespace {

/// The unit of what is kept, and of what a stop waits for.
constexpr std::size_t kBatchTexts = 128;

}  // namespace

CachedEncoder::CachedEncoder(const SentenceEncoder& encoder, const SweepOptions& options, BatchCallback on_batch)
    : encoders_({{"", &encoder}}), options_(options.encode), cache_(options.cache), on_batch_(std::move(on_batch)) {
  for (const SweepVariant& variant : options.variants) encoders_.emplace(variant.name, variant.encoder);
}

std::string CachedEncoder::key_of(const SweepSetting& setting, const EncodeOptions& options) const {
  const SentenceEncoder& encoder = *encoders_.at(setting.variant);
  nlohmann::ordered_json json = identity_of(parse_ordered(provenance_json(encoder, options)));
  // Across machines even float32 differs by 1e-6; a rerun on one machine gives equal bits.
  json["cpu_isa"] = encoder.info().cpu_isa;
  json["chunks"] = setting.chunks ? nlohmann::ordered_json(setting.chunks->to_string()) : nlohmann::ordered_json();
  return json_text(json);
}

CachedVectors CachedEncoder::encode_batch(TextSide& side, std::span<const std::size_t> texts,
                                          const SweepSetting& setting, const EncodeOptions& options) const {
  const std::vector<std::string_view> views = side.views(texts);
  const std::string key = VectorCache::key(key_of(setting, options), views);
  if (auto found = cache_.find(key, texts.size())) return std::move(*found);
  const SentenceEncoder& encoder = *encoders_.at(setting.variant);
  Embeddings embeddings = setting.chunks ? encode_chunked(encoder, views, options, *setting.chunks)
                                         : EncoderAccess::encode_tokenized(
                                               encoder, side.read(texts, encoder, setting.variant, options), options);
  CachedVectors vectors{embeddings.dim, std::move(embeddings.values), {}};
  for (const TokenCount& count : embeddings.token_counts) vectors.tokens.push_back(count.used);
  cache_.keep(key, vectors);
  return vectors;
}

EncodeOptions CachedEncoder::options_with(const SweepPrompt& prompt) const {
  EncodeOptions options = options_;
  if (prompt.name || prompt.text) {
    options.prompt_name = prompt.name;
    options.prompt = prompt.text;
  }
  return options;
}

CachedVectors CachedEncoder::encode(TextSide& side, std::span<const std::size_t> texts, const SweepSetting& setting,
                                    const SweepPrompt& prompt) const {
  const EncodeOptions options = encode_options(setting, is_extended(setting), options_with(prompt));
  CachedVectors all;
  for (std::size_t begin = 0; begin < texts.size(); begin += kBatchTexts) {
    const auto batch = texts.subspan(begin, std::min(kBatchTexts, texts.size() - begin));
    CachedVectors vectors = encode_batch(side, batch, setting, options);
    all.dim = vectors.dim;
    all.values.insert(all.values.end(), vectors.values.begin(), vectors.values.end());
    all.tokens.insert(all.tokens.end(), vectors.tokens.begin(), vectors.tokens.end());
    on_batch_(batch.size(), true);
  }
  return all;
}

MultiVectors CachedEncoder::encode_multi(const std::vector<std::string>& texts, const SweepSetting& setting,
                                         const SweepPrompt& prompt, TextRole role) const {
  OutputOptions options{.encode = encode_options(setting, is_extended(setting), options_with(prompt)), .role = role};
  // Queries have a length of their own.
  if (role == TextRole::query) options.encode.max_length.reset();
  MultiVectors all;
  in_batches(texts, [&](std::span<const std::string_view> views) {
    const MultiVectors some = treble::encode_multi(*encoders_.at(setting.variant), views, options);
    all.dim = some.dim;
    all.count += some.count;
    const std::int64_t before = all.offsets.back();
    for (std::size_t i = 1; i < some.offsets.size(); ++i) all.offsets.push_back(before + some.offsets[i]);
    all.values.insert(all.values.end(), some.values.begin(), some.values.end());
    all.token_counts.insert(all.token_counts.end(), some.token_counts.begin(), some.token_counts.end());
  });
  return all;
}

SparseVectors CachedEncoder::encode_sparse(const std::vector<std::string>& texts, const SweepSetting& setting,
                                           const SweepPrompt& prompt, TextRole role) const {
  const OutputOptions options{.encode = encode_options(setting, is_extended(setting), options_with(prompt)),
                              .role = role};
  SparseVectors all;
  all.offsets = {0};
  in_batches(texts, [&](std::span<const std::string_view> views) {
    const SparseVectors some = treble::encode_sparse(*encoders_.at(setting.variant), views, options);
    all.dim = some.dim;
    all.count += some.count;
    const std::int64_t before = all.offsets.back();
    for (std::size_t i = 1; i < some.offsets.size(); ++i) all.offsets.push_back(before + some.offsets[i]);
    all.indices.insert(all.indices.end(), some.indices.begin(), some.indices.end());
    all.values.insert(all.values.end(), some.values.begin(), some.values.end());
    all.token_counts.insert(all.token_counts.end(), some.token_counts.begin(), some.token_counts.end());
  });
  return all;
}

void CachedEncoder::in_batches(const std::vector<std::string>& texts,
                               const std::function<void(std::span<const std::string_view>)>& take) const {
  for (std::size_t begin = 0; begin < texts.size(); begin += kBatchTexts) {
    const auto batch = std::span(texts).subspan(begin, std::min(kBatchTexts, texts.size() - begin));
    const std::vector<std::string_view> views(batch.begin(), batch.end());
    take(views);
    on_batch_(batch.size(), true);
  }
}

bool CachedEncoder::reads_queries_by_table() const { return internal::reads_queries_by_table(*encoders_.at("")); }

bool CachedEncoder::mean_max_sim() const { return encoders_.at("")->info().mean_max_sim; }

std::vector<std::int64_t> CachedEncoder::count_tokens(TextSide& side, const SweepPrompt& prompt) const {
  EncodeOptions options = options_with(prompt);
  // Counting cuts nothing; what is too long is for encoding to complain about.
  if (options.truncation == Truncation::error) options.truncation.reset();
  std::vector<std::size_t> all(side.size());
  std::iota(all.begin(), all.end(), 0);
  std::vector<std::int64_t> tokens;
  tokens.reserve(side.size());
  for (const TokenizedText& text : side.read(all, *encoders_.at(""), "", options)) {
    tokens.push_back(static_cast<std::int64_t>(text.num_tokens));
  }
  return tokens;
}

bool CachedEncoder::is_extended(const SweepSetting& setting) const {
  return extends(encoders_.at(setting.variant)->info(), encoders_.at("")->info());
}

std::int64_t CachedEncoder::longest_whole(const SweepSetting& setting) const {
  if (setting.chunks && setting.chunks->max_tokens > 0) return setting.chunks->max_tokens;
  const std::int64_t loaded = encoders_.at(setting.variant)->info().max_length;
  return encode_options(setting, is_extended(setting), options_).max_length.value_or(loaded);
}

bool CachedEncoder::normalizes() const { return options_.normalize.value_or(encoders_.at("")->info().normalizes); }

}  // namespace treble::internal
