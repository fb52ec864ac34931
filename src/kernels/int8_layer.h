// An int8 layer after its calibration, in a form that no CPU's GEMM is bound to.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace treble::internal {

/// W x + b is scale · (codes · x) with the offsets of weights and inputs taken out; see kernels/quantize_ops.h.
struct Int8LayerView {
  std::int64_t in = 0;
  std::int64_t out = 0;
  std::span<const std::int8_t> codes;  ///< [out, in], of the rotated weights
  std::span<const float> scale;        ///< [out], as the three that follow
  std::span<const float> offset;
  std::span<const float> sum;  ///< scale · Σ codes
  std::span<const float> bias;
};

/// One that owns its numbers.
struct Int8Layer {
  std::string name = {};
  std::int64_t in = 0;
  std::int64_t out = 0;
  std::vector<std::int8_t> codes;
  std::vector<float> scale;
  std::vector<float> offset;
  std::vector<float> sum;
  std::vector<float> bias;
};

}  // namespace treble::internal
