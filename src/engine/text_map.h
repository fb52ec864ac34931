// The map of a collapse report: the sampled texts on principal axes, with their neighbours.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "diagnostics/isotropy.h"
#include "engine/text_sample.h"
#include "tensor/view.h"

namespace treble::internal {

/// Beyond that a page of points is a smear and a megabyte.
constexpr std::size_t kMaxMapTexts = 2000;

/// What is shown of a text.
std::string beginning_of(const std::string& text);

/// Coordinates on the first two axes, and the share of the vectors' variance that each of them carries.
struct Projection {
  std::vector<std::array<double, 2>> at;
  std::array<double, 2> explained = {};
};
Projection project(ConstMatrixView vectors, const Spectrum& axes);

class TextMapBuilder {
 public:
  /// Shows all of `texts`, or evenly spaced ones when they are more than a page can show, so that every bucket keeps
  /// its share.
  TextMapBuilder(std::span<const SampledText> texts, std::int64_t neighbors);

  /// The texts' vectors [texts, dim] under the next setting, on the first two axes of `axes`.
  void add(ConstMatrixView vectors, const Spectrum& axes);

  TextMap take() { return std::move(map_); }

 private:
  std::vector<float> shown_rows(ConstMatrixView vectors) const;

  std::int64_t neighbors_;
  std::vector<std::int64_t> shown_;  ///< rows of the sample
  TextMap map_;
};

}  // namespace treble::internal
