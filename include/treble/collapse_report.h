// Length collapse made visible: how alike the embeddings of short and of long texts are to one another (Zhou et al.,
// arXiv 2410.24200, figure 1), and what a temperature changes.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "treble/options.h"
#include "treble/sentence_encoder.h"

namespace treble {

struct InspectOptions {
  /// The temperatures to compare; the untouched model (tau = 1) is always measured first.
  std::vector<Temperature> temperatures = {};
  /// Everything else about encoding; its temperature field is ignored.
  EncodeOptions encode = {};
  /// Upper edges of the length buckets in tokens; the last bucket is open.
  std::vector<std::int64_t> bucket_edges = {32, 64, 128, 256, 512};
  /// The lengths in tokens at which the same texts are cut: topic held, length changed.
  std::vector<std::int64_t> cut_lengths = {32, 64, 128, 256, 512};
  /// At most this many texts a bucket, and this many for the cut control, drawn at random by `seed`.
  std::int64_t sample = 200;
  std::uint64_t seed = 1;
  /// Bootstrap resamples of texts for the intervals.
  int bootstrap = 1000;
};

/// Mean cosine over all pairs of different texts of a group, with its 95 % percentile bootstrap interval (texts are
/// resampled, not pairs). NaN-free: a group of fewer than two texts has `pairs == 0` and no values.
struct CosineEstimate {
  std::int64_t texts = 0;
  std::int64_t pairs = 0;
  double mean = 0;
  double low = 0;
  double high = 0;
};

/// Texts by the number of tokens that the model read of them.
struct LengthBucket {
  std::int64_t min_tokens = 0;  ///< inclusive
  std::int64_t max_tokens = 0;  ///< inclusive
  std::int64_t texts_seen = 0;  ///< in the whole input, before sampling
};

struct CollapseReport {
  std::string model;
  std::string baked_temperature;          ///< in the weights before anything is measured; empty: none
  std::string verdict;                    ///< two or three sentences for people
  std::vector<std::string> temperatures;  ///< written forms; the first is "1"
  std::int64_t texts = 0;
  std::int64_t truncated_texts = 0;  ///< longer than the model reads; they count by what was read
  std::int64_t max_length = 0;       ///< tokens the model reads at most
  std::vector<LengthBucket> buckets;
  std::vector<std::vector<CosineEstimate>> bucket_cosine;  ///< [temperature][bucket]
  std::vector<std::int64_t> cut_lengths;                   ///< in tokens; empty when no texts are long enough
  std::int64_t cut_texts = 0;                              ///< texts at least as long as the longest of cut_lengths
  std::vector<std::vector<CosineEstimate>> cut_cosine;     ///< [temperature][cut length]
  std::uint64_t seed = 0;
};

/// Measures. Deterministic for a seed. Throws what SentenceEncoder::encode throws.
CollapseReport inspect_collapse(const SentenceEncoder& encoder, std::span<const std::string_view> texts,
                                const InspectOptions& options);

/// A machine-readable form; keys are the field names above.
std::string to_json(const CollapseReport& report);

/// Tables for a terminal: one row a bucket (or cut length), one column a temperature.
std::string to_table(const CollapseReport& report);

}  // namespace treble
