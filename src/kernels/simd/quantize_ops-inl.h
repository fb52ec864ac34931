// Quantization of rows and weights to 8 bits; for files compiled once for each instruction set (Highway), hence the
// guard that is toggled with the target.
#if defined(TREBLE_SIMD_QUANTIZE_OPS_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef TREBLE_SIMD_QUANTIZE_OPS_INL_H_
#undef TREBLE_SIMD_QUANTIZE_OPS_INL_H_
#else
#define TREBLE_SIMD_QUANTIZE_OPS_INL_H_
#endif

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <limits>

#include "kernels/quantize_ops.h"

#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace treble::internal::simd {
namespace HWY_NAMESPACE {
namespace {

namespace hn = hwy::HWY_NAMESPACE;
using D = hn::ScalableTag<float>;
using V = hn::Vec<D>;

struct Range {
  float min;
  float max;
  float total;  // not finite when the row holds a NaN or an infinity, which min and max may drop
};

/// Two accumulators each, which hide the latency of an addition (three or four cycles).
Range RangeOf(const float* HWY_RESTRICT x, std::size_t count) {
  const D d;
  const std::size_t lanes = hn::Lanes(d);
  Range range{x[0], x[0], 0.0F};
  std::size_t i = 0;
  if (count >= 2 * lanes) {
    V min0 = hn::LoadU(d, x);
    V min1 = min0;
    V max0 = min0;
    V max1 = min0;
    V total0 = hn::Zero(d);
    V total1 = hn::Zero(d);
    for (; i + 2 * lanes <= count; i += 2 * lanes) {
      const V value0 = hn::LoadU(d, x + i);
      const V value1 = hn::LoadU(d, x + i + lanes);
      min0 = hn::Min(min0, value0);
      min1 = hn::Min(min1, value1);
      max0 = hn::Max(max0, value0);
      max1 = hn::Max(max1, value1);
      total0 = hn::Add(total0, value0);
      total1 = hn::Add(total1, value1);
    }
    range = {hn::GetLane(hn::MinOfLanes(d, hn::Min(min0, min1))), hn::GetLane(hn::MaxOfLanes(d, hn::Max(max0, max1))),
             hn::GetLane(hn::SumOfLanes(d, hn::Add(total0, total1)))};
  }
  for (; i < count; ++i) {
    range.min = std::min(range.min, x[i]);
    range.max = std::max(range.max, x[i]);
    range.total += x[i];
  }
  return range;
}

void ToCodes(const float* HWY_RESTRICT x, std::size_t count, float min, float inverse,
             std::uint8_t* HWY_RESTRICT codes) {
  for (std::size_t i = 0; i < count; ++i) {
    codes[i] = static_cast<std::uint8_t>(static_cast<std::int32_t>((x[i] - min) * inverse + 0.5F));
  }
}

RowQuantParams QuantizeRow(const float* x, std::size_t count, float qmax, std::uint8_t* codes) {
  if (count == 0) return {};
  const Range range = RangeOf(x, count);
  if (!std::isfinite(range.total)) {
    std::fill_n(codes, count, std::uint8_t{0});
    return {0.0F, std::numeric_limits<float>::quiet_NaN(), 0.0F};
  }
  const float width = range.max - range.min;
  // A range beyond float32, or too small to divide by, cannot be quantized; the row is then its minimum.
  const float inverse = qmax / width;
  if (!(width > 0.0F) || !std::isfinite(width) || !std::isfinite(inverse)) {
    std::fill_n(codes, count, std::uint8_t{0});
    return {0.0F, std::isfinite(width) ? range.min : std::numeric_limits<float>::quiet_NaN(), range.total};
  }
  ToCodes(x, count, range.min, inverse, codes);
  return {width / qmax, range.min, range.total};
}

void DequantizeRow(const std::int32_t* HWY_RESTRICT sums, const RowQuantParams& row, const ColumnQuantParams& columns,
                   bool accumulate, float* HWY_RESTRICT y) {
  const std::size_t count = columns.scale.size();
  const float* HWY_RESTRICT scale = columns.scale.data();
  const float* HWY_RESTRICT offset = columns.offset.data();
  const float* HWY_RESTRICT sum = columns.sum.data();
  const float* HWY_RESTRICT bias = columns.bias.data();
  const float s = row.scale;
  const float o = row.offset;
  const float t = row.total;
  if (accumulate) {
    for (std::size_t i = 0; i < count; ++i) {
      y[i] += static_cast<float>(sums[i]) * (s * scale[i]) + (o * sum[i] + (t * offset[i] + bias[i]));
    }
  } else {
    for (std::size_t i = 0; i < count; ++i) {
      y[i] = static_cast<float>(sums[i]) * (s * scale[i]) + (o * sum[i] + (t * offset[i] + bias[i]));
    }
  }
}

/// Clamps a pair's sum to ±pair_max, half of the excess each: the nearest pair that fits.
void ClampPair(std::int32_t pair_max, std::int8_t& first, std::int8_t& second) {
  const std::int32_t sum = first + second;
  const std::int32_t excess = std::abs(sum) - pair_max;
  if (excess <= 0) return;
  const std::int32_t sign = sum > 0 ? 1 : -1;
  first = static_cast<std::int8_t>(first - sign * (excess / 2));
  second = static_cast<std::int8_t>(second - sign * (excess - excess / 2));
}

/// Rounds to nearest through a positive number.
void ToWeightCodes(const float* HWY_RESTRICT x, std::size_t count, float offset, float inverse, float qmax,
                   std::int8_t* HWY_RESTRICT codes) {
  for (std::size_t i = 0; i < count; ++i) {
    const float steps = std::min(std::max(-qmax, (x[i] - offset) * inverse), qmax);
    codes[i] = static_cast<std::int8_t>(static_cast<std::int32_t>(steps + 128.5F) - 128);
  }
}

WeightQuantParams QuantizeWeights(const float* x, std::size_t count, std::int32_t qmax, std::int32_t pair_max,
                                  std::int8_t* codes) {
  if (count == 0) return {};
  Range range = RangeOf(x, count);
  if (!std::isfinite(range.total)) {
    std::fill_n(codes, count, std::int8_t{0});
    return {0.0F, std::numeric_limits<float>::quiet_NaN()};
  }
  const bool pairs_clamped = pair_max < 2 * qmax;
  if (pairs_clamped) {
    range.max = std::max(range.max, -range.min);
    range.min = -range.max;
  }
  const float offset = 0.5F * range.min + 0.5F * range.max;
  const float scale = (0.5F * range.max - 0.5F * range.min) / static_cast<float>(qmax);
  // Where the scale is too small to be inverted, the weights are zero.
  const float inverse = scale > 0 && std::isfinite(1.0F / scale) ? 1.0F / scale : 0.0F;
  ToWeightCodes(x, count, offset, inverse, static_cast<float>(qmax), codes);
  for (std::size_t i = 0; pairs_clamped && i + 1 < count; i += 2) ClampPair(pair_max, codes[i], codes[i + 1]);
  return {scale, offset};
}

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace treble::internal::simd
HWY_AFTER_NAMESPACE();

#endif
