// A sample of texts by length, drawn while they stream by.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "treble/collapse_report.h"
#include "treble/reservoir.h"
#include "treble/sentence_encoder.h"

namespace treble::internal {

struct SampledText {
  std::int64_t index = 0;  ///< in the input
  std::string id = {};
  std::string text = {};
  std::int64_t tokens = 0;  ///< that it has
  std::int64_t used = 0;    ///< that the model reads
  std::string label = {};
};

/// Keeps at most `max_count` of what it is offered, each with the same chance.
class Reservoir {
 public:
  Reservoir(std::int64_t max_count, std::uint64_t seed) : sampler_(max_count, seed) {}

  void offer(const SampledText& text);
  std::int64_t seen() const noexcept { return sampler_.seen(); }
  /// In the order of the input.
  std::vector<SampledText> take();

 private:
  ReservoirSampler sampler_;
  std::vector<SampledText> kept_;
};

struct TextSample {
  std::int64_t texts = 0;
  std::int64_t truncated_texts = 0;
  std::int64_t extended_texts = 0;  ///< read beyond the model's positions
  std::int64_t text_tokens = 0;     ///< of all texts
  std::int64_t read_tokens = 0;     ///< of these, within the limit
  std::vector<LengthBucket> buckets;
  std::vector<std::vector<SampledText>> by_bucket;  ///< [bucket], by the tokens that the model reads
  /// Rising; of those asked for up to the longest that enough texts reach, or of shorter ones when no two reach any.
  std::vector<std::int64_t> cut_lengths;
  std::vector<SampledText> cuts;  ///< texts of at least cut_lengths.back() tokens
  /// Where labels are looked at; else 0 and empty.
  std::int64_t labelled_texts = 0;
  std::int64_t unlabelled_texts = 0;
  std::vector<std::string> unlabelled;  ///< where the first few of them are
  std::vector<SampledText> labelled;    ///< a sample of the labelled ones
};

/// Reads the whole source. Throws Error{invalid_argument} for options out of range.
TextSample draw_sample(const SentenceEncoder& encoder, const InspectSource& source, const InspectOptions& options);

}  // namespace treble::internal
