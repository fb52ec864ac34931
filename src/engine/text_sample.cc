#include "engine/text_sample.h"

#include <algorithm>
#include <utility>

#include "base/fail.h"
#include "diagnostics/length_buckets.h"

namespace treble {

namespace {

/// A cut length is worth reporting when so many texts reach it; fewer serve only when nothing else does.
constexpr std::int64_t kEnoughCutTexts = 30;
/// Texts whose tokens are counted in one call: enough for every thread, few enough to hold.
constexpr std::size_t kChunkTexts = 256;
constexpr std::size_t kChunkBytes = std::size_t{8} << 20;

std::vector<std::int64_t> possible_cuts(const InspectOptions& options, std::int64_t max_length) {
  auto lengths = options.cut_lengths;
  std::sort(lengths.begin(), lengths.end());
  lengths.erase(std::unique(lengths.begin(), lengths.end()), lengths.end());
  std::erase_if(lengths, [&](std::int64_t length) { return length > max_length; });
  if (!lengths.empty() && lengths.front() < 1) {
    fail(ErrorCode::invalid_argument, "cut lengths must be at least 1 token, got {}", lengths.front());
  }
  return lengths;
}

class Sampler {
 public:
  Sampler(const SentenceEncoder& encoder, const InspectOptions& options) : encoder_(encoder), options_(options) {
    const std::int64_t max_length = options.encode.max_length.value_or(encoder.info().max_length);
    sample_.buckets = make_buckets(options.bucket_edges, max_length);
    cut_lengths_ = possible_cuts(options, max_length);
    for (std::size_t i = 0; i < sample_.buckets.size(); ++i) buckets_.emplace_back(options.sample, options.seed + i);
    for (std::size_t i = 0; i < cut_lengths_.size(); ++i) cuts_.emplace_back(options.sample, options.seed);
    count_options_ = options.encode;
    if (count_options_.truncation == Truncation::error) count_options_.truncation = Truncation::end;
  }

  TextSample run(const InspectSource& source) {
    for (InspectText text; source(text);) {
      bytes_ += text.text.size();
      chunk_.push_back(std::move(text));
      if (chunk_.size() == kChunkTexts || bytes_ >= kChunkBytes) count_chunk();
    }
    count_chunk();
    for (std::size_t i = 0; i < buckets_.size(); ++i) {
      sample_.buckets[i].texts_seen = buckets_[i].seen();
      sample_.by_bucket.push_back(buckets_[i].take());
    }
    choose_cuts();
    return std::move(sample_);
  }

 private:
  void count_chunk() {
    const std::vector<std::string_view> views = [&] {
      std::vector<std::string_view> result;
      result.reserve(chunk_.size());
      for (const InspectText& text : chunk_) result.emplace_back(text.text);
      return result;
    }();
    const auto counts = encoder_.count_tokens(views, count_options_);
    for (std::size_t i = 0; i < chunk_.size(); ++i) {
      place({sample_.texts++, std::move(chunk_[i].id), std::move(chunk_[i].text), counts[i].tokens, counts[i].used});
    }
    chunk_.clear();
    bytes_ = 0;
    if (options_.progress) options_.progress("reading", 0);
  }

  void place(const SampledText& text) {
    sample_.truncated_texts += text.used < text.tokens ? 1 : 0;
    const std::int64_t bucket = bucket_of(sample_.buckets, text.used);
    if (bucket >= 0) buckets_[static_cast<std::size_t>(bucket)].offer(text);
    for (std::size_t i = 0; i < cut_lengths_.size() && cut_lengths_[i] <= text.tokens; ++i) cuts_[i].offer(text);
  }

  /// The longest length that enough texts reach, and those texts.
  void choose_cuts() {
    for (const std::int64_t enough : {kEnoughCutTexts, std::int64_t{2}}) {
      for (std::size_t i = cut_lengths_.size(); i-- > 0;) {
        if (cuts_[i].seen() < enough) continue;
        sample_.cut_lengths.assign(cut_lengths_.begin(), cut_lengths_.begin() + static_cast<std::ptrdiff_t>(i) + 1);
        sample_.cuts = cuts_[i].take();
        return;
      }
    }
  }

  const SentenceEncoder& encoder_;
  const InspectOptions& options_;
  EncodeOptions count_options_;
  std::vector<std::int64_t> cut_lengths_;
  std::vector<Reservoir> buckets_;
  std::vector<Reservoir> cuts_;
  std::vector<InspectText> chunk_;
  std::size_t bytes_ = 0;
  TextSample sample_;
};

}  // namespace

void Reservoir::offer(const SampledText& text) {
  ++seen_;
  if (std::cmp_less(kept_.size(), most_)) {
    kept_.push_back(text);
    return;
  }
  const std::uint64_t place = generator_() % static_cast<std::uint64_t>(seen_);
  if (place < kept_.size()) kept_[place] = text;
}

std::vector<SampledText> Reservoir::take() {
  std::sort(kept_.begin(), kept_.end(), [](const SampledText& a, const SampledText& b) { return a.index < b.index; });
  return std::move(kept_);
}

TextSample draw_sample(const SentenceEncoder& encoder, const InspectSource& source, const InspectOptions& options) {
  return Sampler(encoder, options).run(source);
}

}  // namespace treble
