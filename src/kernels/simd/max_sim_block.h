// What the MaxSim kernel works on at a time.
#pragma once

#include <cstddef>

namespace treble::internal::simd {

/// Vectors of queries side by side: four vectors of 8 floats, or two of 16.
inline constexpr std::size_t kMaxSimQueries = 32;

struct MaxSimBlock {
  const float* queries = nullptr;  ///< [dim][kMaxSimQueries], aligned
  const float* rows = nullptr;     ///< of one document
  std::size_t stride = 0;          ///< floats from a row to the next
  std::size_t count = 0;           ///< of rows
  std::size_t dim = 0;
  float* maxima = nullptr;  ///< [kMaxSimQueries], aligned: written
};

}  // namespace treble::internal::simd
