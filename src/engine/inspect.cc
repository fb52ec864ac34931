// The first form of the collapse inspection: cosine by length, and of the same texts cut.
#include <algorithm>
#include <utility>

#include "base/fail.h"
#include "diagnostics/length_buckets.h"
#include "diagnostics/pairwise_cosine.h"
#include "diagnostics/verdict.h"
#include "treble/collapse_report.h"

namespace treble {

namespace {

/// A cut length is worth reporting when so many texts reach it; fewer serve only when nothing else does.
constexpr std::int64_t kEnoughCutTexts = 30;

using Indices = std::vector<std::int64_t>;

class Inspection {
 public:
  Inspection(const SentenceEncoder& encoder, std::span<const std::string_view> texts, const InspectOptions& options)
      : encoder_(encoder), texts_(texts), options_(options) {}

  CollapseReport run() {
    start_report();
    const auto bucket_samples = sample_buckets();
    const auto cut_sample = sample_cuts();
    for (const Temperature& temperature : temperatures_) {
      EncodeOptions encode = options_.encode;
      encode.temperature = temperature;
      auto& bucket_row = report_.bucket_cosine.emplace_back();
      for (const auto& sample : bucket_samples) bucket_row.push_back(measure(sample, encode));
      auto& cut_row = report_.cut_cosine.emplace_back();
      for (const std::int64_t length : report_.cut_lengths) {
        encode.max_length = length;
        cut_row.push_back(measure(cut_sample, encode));
      }
    }
    report_.verdict = describe_collapse(report_);
    return std::move(report_);
  }

 private:
  void start_report() {
    if (options_.sample < 2) {
      fail(ErrorCode::invalid_argument, "sample must be at least 2 texts, got {}", options_.sample);
    }
    if (options_.bootstrap < 0) {
      fail(ErrorCode::invalid_argument, "bootstrap must be 0 or more resamples, got {}", options_.bootstrap);
    }
    temperatures_.emplace_back();
    for (const auto& temperature : options_.temperatures) {
      if (!temperature.is_identity()) temperatures_.push_back(temperature);
    }
    EncodeOptions count_options = options_.encode;
    if (count_options.truncation == Truncation::error) count_options.truncation = Truncation::end;
    counts_ = encoder_.count_tokens(texts_, count_options);
    report_.model = encoder_.info().name;
    report_.baked_temperature = encoder_.info().baked_temperature;
    report_.texts = static_cast<std::int64_t>(texts_.size());
    report_.max_length = options_.encode.max_length.value_or(encoder_.info().max_length);
    report_.seed = options_.seed;
    for (const auto& temperature : temperatures_) report_.temperatures.push_back(temperature.to_string());
    for (const auto& count : counts_) report_.truncated_texts += count.used < count.tokens ? 1 : 0;
  }

  std::vector<Indices> sample_buckets() {
    report_.buckets = make_buckets(options_.bucket_edges, report_.max_length);
    std::vector<Indices> members(report_.buckets.size());
    for (std::size_t text = 0; text < counts_.size(); ++text) {
      const std::int64_t bucket = bucket_of(report_.buckets, counts_[text].used);
      if (bucket >= 0) members[static_cast<std::size_t>(bucket)].push_back(static_cast<std::int64_t>(text));
    }
    for (std::size_t bucket = 0; bucket < members.size(); ++bucket) {
      report_.buckets[bucket].texts_seen = static_cast<std::int64_t>(members[bucket].size());
      members[bucket] = sample_indices(std::move(members[bucket]), options_.sample, options_.seed + bucket);
    }
    return members;
  }

  Indices texts_of_at_least(std::int64_t tokens) const {
    Indices indices;
    for (std::size_t text = 0; text < counts_.size(); ++text) {
      if (counts_[text].tokens >= tokens) indices.push_back(static_cast<std::int64_t>(text));
    }
    return indices;
  }

  /// Fills cut_lengths up to the longest length that enough texts reach, and draws from those texts.
  Indices sample_cuts() {
    auto lengths = options_.cut_lengths;
    std::sort(lengths.begin(), lengths.end());
    lengths.erase(std::unique(lengths.begin(), lengths.end()), lengths.end());
    std::erase_if(lengths, [&](std::int64_t length) { return length > report_.max_length; });
    if (!lengths.empty() && lengths.front() < 1) {
      fail(ErrorCode::invalid_argument, "cut lengths must be at least 1 token, got {}", lengths.front());
    }
    for (const std::int64_t enough : {kEnoughCutTexts, std::int64_t{2}}) {
      for (auto longest = lengths.rbegin(); longest != lengths.rend(); ++longest) {
        Indices found = texts_of_at_least(*longest);
        if (static_cast<std::int64_t>(found.size()) < enough) continue;
        report_.cut_lengths.assign(lengths.begin(), longest.base());
        found = sample_indices(std::move(found), options_.sample, options_.seed);
        report_.cut_texts = static_cast<std::int64_t>(found.size());
        return found;
      }
    }
    return {};
  }

  CosineEstimate measure(const Indices& sample, EncodeOptions encode) const {
    // Cutting is the point here, or has been counted in the report.
    if (encode.truncation == Truncation::error) encode.truncation = Truncation::end;
    std::vector<std::string_view> chosen;
    chosen.reserve(sample.size());
    for (const std::int64_t index : sample) chosen.push_back(texts_[static_cast<std::size_t>(index)]);
    const Embeddings embeddings = encoder_.encode(chosen, encode);
    return mean_pairwise_cosine(ConstMatrixView(embeddings.values.data(), embeddings.count, embeddings.dim),
                                {options_.bootstrap, options_.seed});
  }

  const SentenceEncoder& encoder_;
  std::span<const std::string_view> texts_;
  const InspectOptions& options_;
  std::vector<Temperature> temperatures_;
  std::vector<TokenCount> counts_;
  CollapseReport report_;
};

}  // namespace

CollapseReport inspect_collapse(const SentenceEncoder& encoder, std::span<const std::string_view> texts,
                                const InspectOptions& options) {
  return Inspection(encoder, texts, options).run();
}

}  // namespace treble
