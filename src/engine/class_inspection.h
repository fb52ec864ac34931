// The part of an inspection that is about labelled texts: reads them with all their layers, measures classes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "diagnostics/class_measures.h"
#include "diagnostics/isotropy.h"
#include "engine/layer_vectors.h"
#include "engine/text_sample.h"
#include "treble/collapse_report.h"
#include "treble/sentence_encoder.h"

namespace treble::internal {

class ClassInspection {
 public:
  /// Told how many more steps of a stage are done.
  using Advance = std::function<void(std::string_view stage, std::size_t steps)>;

  /// `layers`: those to look into, from 0. Takes the labelled texts of `sample`.
  ClassInspection(const SentenceEncoder& encoder, const InspectOptions& options, TextSample& sample,
                  std::span<const std::int64_t> layers);

  /// That a temperature takes.
  std::size_t steps() const noexcept { return 2 * texts_.size(); }

  /// The next temperature; the first is 1.
  void measure(const EncodeOptions& encode, const Advance& advance);

  /// `settings`: names of the temperatures.
  ClassReport take(std::span<const std::string> settings);

 private:
  struct TextGroup {
    std::int64_t bucket = -1;
    ClassGroup classes;
  };
  /// What is measured at a time: a group of texts in one place of the model.
  struct Unit {
    std::size_t place;  ///< in LayerVectors
    std::size_t group;
    ClassMeasures measures = {};
  };

  void name_classes();
  void group_texts(std::span<const LengthBucket> buckets);
  LayerVectors encode(const EncodeOptions& encode, const Advance& advance) const;
  std::vector<Unit> measure_units(const LayerVectors& vectors, const Advance& advance) const;
  void add_estimates(const std::vector<Unit>& units);
  void compare(const std::vector<Unit>& units);
  void add_to_map(const LayerVectors& vectors);
  Spectrum map_axes(ConstMatrixView vectors);

  const SentenceEncoder& encoder_;
  const InspectOptions& options_;
  std::vector<SampledText> texts_;
  std::vector<std::int64_t> labels_;         ///< [text]: index into report_.classes
  std::vector<std::int64_t> copies_;         ///< [text]: the same number for the same text
  std::vector<std::int64_t> layers_;         ///< blocks before each
  std::vector<TextGroup> groups_;            ///< the first of all lengths, then those of buckets with some of the texts
  std::optional<std::int64_t> only_bucket_;  ///< the bucket of all texts, which has no group of its own
  std::int64_t setting_ = 0;
  ClassMeasures untouched_;          ///< final vectors of texts of all lengths
  std::vector<std::int64_t> shown_;  ///< texts on the map
  Spectrum axes_;                    ///< of the map
  ClassReport report_;
};

}  // namespace treble::internal
