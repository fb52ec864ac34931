// Tokens of one sequence for the causal convolution; shared by the instruction sets that causal_convolution.cc is
// compiled for.
#pragma once

#include <cstddef>

namespace treble::internal::simd {

struct ConvolutionRows {
  const float* weight = nullptr;  ///< [kernel, channels]
  const float* bias = nullptr;    ///< or null
  std::size_t kernel = 0;
  std::size_t channels = 0;
  const float* history = nullptr;  ///< [kernel − 1, channels], the tokens before the sequence's first; or null
  std::size_t position = 0;        ///< of the first row within its sequence
  std::size_t rows = 0;
  const float* x = nullptr;  ///< the first row; `position` rows of the sequence lie before it
  std::size_t x_stride = 0;
  float* y = nullptr;
  std::size_t y_stride = 0;
};

}  // namespace treble::internal::simd
