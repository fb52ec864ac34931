#include "engine/text_sample.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/fail.h"
#include "base/stop.h"
#include "diagnostics/length_buckets.h"

namespace treble::internal {

namespace {

/// The number of texts that must reach a cut length for it to be reported; fewer serve only when nothing else does.
constexpr std::int64_t kEnoughCutTexts = 30;
/// The shortest cut that is taken unasked, and how many tokens of the text's own it holds at least, beside special ones
/// and the prompt.
constexpr std::int64_t kShortestCut = 4;
constexpr std::int64_t kOwnTokens = 2;
/// Texts whose tokens are counted in one call: enough for every thread, few enough to hold.
constexpr std::size_t kChunkTexts = 256;
/// Unlabelled texts that are named.
constexpr std::size_t kNamedTexts = 5;
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

/// What serves when no two texts reach the shortest length asked for: 4, 8, 16 and so on below it. `bare`: tokens of
/// a text of nothing.
std::vector<std::int64_t> shorter_cuts(const InspectOptions& options, std::int64_t max_length, std::int64_t bare) {
  std::vector<std::int64_t> lengths;
  if (options.cut_lengths.empty()) return lengths;
  const std::int64_t shortest = *std::min_element(options.cut_lengths.begin(), options.cut_lengths.end());
  for (std::int64_t length = kShortestCut; length < shortest && length <= max_length; length *= 2) {
    if (length >= bare + kOwnTokens) lengths.push_back(length);
  }
  return lengths;
}

/// Texts at least as long as each of some lengths.
struct CutSamples {
  CutSamples(std::vector<std::int64_t> rising, const InspectOptions& options)
      : lengths(std::move(rising)), samples(lengths.size(), Reservoir(options.sample, options.seed)) {}

  void offer(const SampledText& text) {
    for (std::size_t i = 0; i < lengths.size() && lengths[i] <= text.tokens; ++i) samples[i].offer(text);
  }

  /// Takes the longest length that at least `enough` texts reach, and those texts; false when there is none.
  bool take(std::int64_t enough, TextSample& sample) {
    for (std::size_t i = lengths.size(); i-- > 0;) {
      if (samples[i].seen() < enough) continue;
      sample.cut_lengths.assign(lengths.begin(), lengths.begin() + static_cast<std::ptrdiff_t>(i) + 1);
      sample.cuts = samples[i].take();
      return true;
    }
    return false;
  }

  std::vector<std::int64_t> lengths;
  std::vector<Reservoir> samples;  ///< [length]
};

/// Counting cuts nothing; what is too long is for encoding to complain about.
EncodeOptions counting_options(EncodeOptions options) {
  if (options.truncation == Truncation::error) options.truncation.reset();
  return options;
}

/// Tokens beside those of a text's own.
std::int64_t tokens_of_nothing(const SentenceEncoder& encoder, const EncodeOptions& options) {
  constexpr std::string_view kNothing;
  return encoder.count_tokens({&kNothing, 1}, options).front().tokens;
}

class Sampler {
 public:
  Sampler(const SentenceEncoder& encoder, const InspectOptions& options, std::int64_t max_length)
      : encoder_(encoder),
        options_(options),
        count_options_(counting_options(options.encode)),
        asked_(possible_cuts(options, max_length), options),
        shorter_(shorter_cuts(options, max_length, tokens_of_nothing(encoder, count_options_)), options),
        labelled_(options.label_sample.value_or(0), options.seed) {
    sample_.buckets = make_buckets(options.bucket_edges, max_length);
    for (std::size_t i = 0; i < sample_.buckets.size(); ++i) buckets_.emplace_back(options.sample, options.seed + i);
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
    sample_.labelled_texts = labelled_.seen();
    sample_.labelled = labelled_.take();
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
      InspectText& text = chunk_[i];
      if (options_.label_sample && text.label.empty()) note_unlabelled(text);
      place({sample_.texts++, std::move(text.id), std::move(text.text), counts[i].tokens, counts[i].used,
             std::move(text.label)});
    }
    chunk_.clear();
    bytes_ = 0;
    check_stop(options_.stop, "the inspection");
    if (options_.progress) options_.progress({"reading", sample_.texts, 0});
  }

  void note_unlabelled(const InspectText& text) {
    if (std::cmp_greater(++sample_.unlabelled_texts, kNamedTexts)) return;
    sample_.unlabelled.push_back(text.place.empty() ? fmt::format("text {}", sample_.texts) : text.place);
  }

  void place(const SampledText& text) {
    sample_.truncated_texts += text.used < text.tokens ? 1 : 0;
    sample_.extended_texts += text.used > encoder_.info().position_limit ? 1 : 0;
    sample_.text_tokens += text.tokens;
    sample_.read_tokens += text.used;
    const std::int64_t bucket = bucket_of(sample_.buckets, text.used);
    if (bucket >= 0) buckets_[static_cast<std::size_t>(bucket)].offer(text);
    if (options_.label_sample && !text.label.empty()) labelled_.offer(text);
    asked_.offer(text);
    shorter_.offer(text);
  }

  /// A single text cannot be compared, but its layers can be probed.
  void choose_cuts() {
    const auto take = [this](CutSamples& from, std::int64_t enough) { return from.take(enough, sample_); };
    [[maybe_unused]] const bool taken = take(asked_, kEnoughCutTexts) || take(asked_, 2) ||
                                        take(shorter_, kEnoughCutTexts) || take(shorter_, 2) || take(asked_, 1) ||
                                        take(shorter_, 1);
  }

  const SentenceEncoder& encoder_;
  const InspectOptions& options_;
  EncodeOptions count_options_;
  std::vector<Reservoir> buckets_;
  CutSamples asked_;
  CutSamples shorter_;
  Reservoir labelled_;
  std::vector<InspectText> chunk_;
  std::size_t bytes_ = 0;
  TextSample sample_;
};

}  // namespace

void Reservoir::offer(const SampledText& text) {
  const auto place = sampler_.next();
  if (!place) return;
  if (*place == kept_.size()) kept_.emplace_back();
  kept_[*place] = text;
}

std::vector<SampledText> Reservoir::take() {
  std::sort(kept_.begin(), kept_.end(), [](const SampledText& a, const SampledText& b) { return a.index < b.index; });
  return std::move(kept_);
}

TextSample draw_sample(const SentenceEncoder& encoder, const InspectSource& source, const InspectOptions& options) {
  const std::int64_t max_length = options.encode.max_length.value_or(encoder.info().max_length);
  return Sampler(encoder, options, max_length).run(source);
}

}  // namespace treble::internal
