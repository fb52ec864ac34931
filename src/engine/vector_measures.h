// What a collapse report says of vectors alone: cosines, geometry, hubness; and of fitted steps after them.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "diagnostics/isotropy.h"
#include "tensor/view.h"
#include "treble/collapse_report.h"

namespace treble::internal {

/// Of one setting, whose groups (the buckets) are rows up to each of `ends`: appends to the report's bucket_cosine,
/// bucket_matrix, geometry and hubness. Returns the spectrum with the first two principal axes.
Spectrum measure_vectors(ConstMatrixView vectors, std::span<const std::int64_t> ends, const InspectOptions& options,
                         CollapseReport& report);

/// What the untouched model gave, for steps that are fitted on it.
struct UntouchedVectors {
  ConstMatrixView sample;
  std::span<const std::int64_t> tokens;  ///< [sample.rows]
  std::span<const std::int64_t> ends;    ///< of the buckets in `sample`
  std::span<const Embeddings> cuts;      ///< [cut length]
  const Embeddings* queries = nullptr;   ///< nullptr: none
};

/// A step fitted on the texts of even place and measured on those of odd place, as one more setting of the report.
void measure_post(const PostSpec& spec, const UntouchedVectors& vectors, const InspectOptions& options,
                  CollapseReport& report);

}  // namespace treble::internal
