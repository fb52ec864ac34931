// The token vectors of sampled texts in an inspection.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string_view>

#include "engine/text_sample.h"
#include "treble/collapse_report.h"
#include "treble/multi_vector.h"

namespace treble::internal {

class TokenInspection {
 public:
  /// Told how many more steps of a stage are done.
  using Advance = std::function<void(std::string_view stage, std::size_t steps)>;

  /// Of a model with a multi-vector output; `encoder` and `options` outlive this. Throws Error{unsupported} for what is
  /// measured of dense vectors alone.
  TokenInspection(const SentenceEncoder& encoder, const InspectOptions& options, Advance advance);

  /// Steps of each setting for so many texts.
  static std::size_t steps(std::size_t texts) { return 2 * texts; }

  /// The next setting, of texts whose groups (the buckets) go up to each of `ends`. Memory holds the vectors of one
  /// group.
  void measure(std::span<const SampledText> texts, std::span<const std::int64_t> ends, const EncodeOptions& encode);
  /// The same setting, of the same texts cut at each length.
  void measure_cuts(std::span<const SampledText> texts, std::span<const std::int64_t> lengths,
                    const EncodeOptions& encode);

  TokenVectorReport take() { return std::move(report_); }

 private:
  struct Alike {
    CosineEstimate token_cosine;
    CosineEstimate max_sim;
  };

  MultiVectors encode(std::string_view stage, std::span<const SampledText> texts, const EncodeOptions& encode) const;
  Alike compare(const MultiVectors& vectors) const;

  const SentenceEncoder& encoder_;
  const InspectOptions& options_;
  Advance advance_;
  TokenVectorReport report_;
};

}  // namespace treble::internal
