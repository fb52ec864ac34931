// Conversions of rows, compiled once for each instruction set and chosen at run time (Highway). The conversions are
// plain loops of one step an element, which the compiler makes vectors of for each set.
#include "kernels/quantize_ops.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdlib>
#include <limits>

#include "kernels/simd/choose_target.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/simd/quantize_ops.cc"
#include <hwy/foreach_target.h>
// Highway wants to come after foreach_target.h.
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace treble::internal::simd {
namespace HWY_NAMESPACE {
namespace {

namespace hn = hwy::HWY_NAMESPACE;
using D = hn::ScalableTag<float>;
using V = hn::Vec<D>;

struct Range {
  float least;
  float greatest;
  float total;  // not finite when the row holds a NaN or an infinity, which the other two may drop
};

/// Two at a time, as a sum takes three or four cycles to come back.
Range RangeOf(const float* HWY_RESTRICT x, std::size_t count) {
  const D d;
  const std::size_t lanes = hn::Lanes(d);
  Range range{x[0], x[0], 0.0F};
  std::size_t i = 0;
  if (count >= 2 * lanes) {
    V least0 = hn::LoadU(d, x);
    V least1 = least0;
    V greatest0 = least0;
    V greatest1 = least0;
    V total0 = hn::Zero(d);
    V total1 = hn::Zero(d);
    for (; i + 2 * lanes <= count; i += 2 * lanes) {
      const V value0 = hn::LoadU(d, x + i);
      const V value1 = hn::LoadU(d, x + i + lanes);
      least0 = hn::Min(least0, value0);
      least1 = hn::Min(least1, value1);
      greatest0 = hn::Max(greatest0, value0);
      greatest1 = hn::Max(greatest1, value1);
      total0 = hn::Add(total0, value0);
      total1 = hn::Add(total1, value1);
    }
    range = {hn::GetLane(hn::MinOfLanes(d, hn::Min(least0, least1))),
             hn::GetLane(hn::MaxOfLanes(d, hn::Max(greatest0, greatest1))),
             hn::GetLane(hn::SumOfLanes(d, hn::Add(total0, total1)))};
  }
  for (; i < count; ++i) {
    range.least = std::min(range.least, x[i]);
    range.greatest = std::max(range.greatest, x[i]);
    range.total += x[i];
  }
  return range;
}

void ToCodes(const float* HWY_RESTRICT x, std::size_t count, float least, float inverse,
             std::uint8_t* HWY_RESTRICT codes) {
  for (std::size_t i = 0; i < count; ++i) {
    codes[i] = static_cast<std::uint8_t>(static_cast<std::int32_t>((x[i] - least) * inverse + 0.5F));
  }
}

RowQuantParams QuantizeRow(const float* x, std::size_t count, float most, std::uint8_t* codes) {
  if (count == 0) return {};
  const Range range = RangeOf(x, count);
  if (!std::isfinite(range.total)) {
    std::fill_n(codes, count, std::uint8_t{0});
    return {0.0F, std::numeric_limits<float>::quiet_NaN(), 0.0F};
  }
  const float width = range.greatest - range.least;
  // A range beyond float32, or too small to divide by, has no codes; the row is then its least value.
  const float inverse = most / width;
  if (!(width > 0.0F) || !std::isfinite(width) || !std::isfinite(inverse)) {
    std::fill_n(codes, count, std::uint8_t{0});
    return {0.0F, std::isfinite(width) ? range.least : std::numeric_limits<float>::quiet_NaN(), range.total};
  }
  ToCodes(x, count, range.least, inverse, codes);
  return {width / most, range.least, range.total};
}

/// Sums and differences of numbers `half` apart.
HWY_INLINE void Butterfly(std::size_t half, float* HWY_RESTRICT low, float* HWY_RESTRICT high) {
  for (std::size_t i = 0; i < half; ++i) {
    const float a = low[i];
    const float b = high[i];
    low[i] = a + b;
    high[i] = a - b;
  }
}

#if HWY_TARGET != HWY_SCALAR  // which has no vectors of four
/// Sums and differences of two vectors. The difference is made by multiplying, so that the CPU's units for sums and for
/// products work side by side.
HWY_INLINE void ButterflyVectors(V& a, V& b) {
  const V sum = hn::Add(a, b);
  b = hn::NegMulAdd(b, hn::Set(D(), 1.0F), a);
  a = sum;
}

/// Two steps: neighbours, then every other one.
HWY_INLINE void ButterflyFour(V& a, V& b, V& c, V& e) {
  ButterflyVectors(a, b);
  ButterflyVectors(c, e);
  ButterflyVectors(a, c);
  ButterflyVectors(b, e);
}

/// The steps within a vector: 1, 2, 4 … apart.
HWY_INLINE V RotateVector(V v) {
  const D d;
  HWY_ALIGN constexpr float kOdd[16] = {1, -1, 1, -1, 1, -1, 1, -1, 1, -1, 1, -1, 1, -1, 1, -1};
  HWY_ALIGN constexpr float kUpper[16] = {1, 1, -1, -1, 1, 1, -1, -1, 1, 1, -1, -1, 1, 1, -1, -1};
  v = hn::MulAdd(v, hn::Load(d, kOdd), hn::Shuffle2301(v));
  v = hn::MulAdd(v, hn::Load(d, kUpper), hn::Shuffle1032(v));
#if HWY_MAX_BYTES >= 32
  HWY_ALIGN constexpr float kHigh[16] = {1, 1, 1, 1, -1, -1, -1, -1, 1, 1, 1, 1, -1, -1, -1, -1};
  v = hn::MulAdd(v, hn::Load(d, kHigh), hn::SwapAdjacentBlocks(v));
#endif
#if HWY_MAX_BYTES >= 64
  HWY_ALIGN constexpr float kHalves[16] = {1, 1, 1, 1, 1, 1, 1, 1, -1, -1, -1, -1, -1, -1, -1, -1};
  v = hn::MulAdd(v, hn::Load(d, kHalves), hn::ConcatLowerUpper(d, v, v));
#endif
  return v;
}

/// All steps up to kTogether vectors' width, in registers.
template <std::size_t kTogether>
HWY_INLINE void RotateVectors(const float* from, float* x) {
  const D d;
  const std::size_t lanes = hn::Lanes(d);
  V v[kTogether];
  HWY_UNROLL(8)
  for (std::size_t i = 0; i < kTogether; ++i) v[i] = RotateVector(hn::LoadU(d, from + i * lanes));
  HWY_UNROLL(2)
  for (std::size_t i = 0; i < kTogether; i += 4) ButterflyFour(v[i], v[i + 1], v[i + 2], v[i + 3]);
  HWY_UNROLL(4)
  for (std::size_t i = 0; i + 4 < kTogether; ++i) ButterflyVectors(v[i], v[i + 4]);
  HWY_UNROLL(8)
  for (std::size_t i = 0; i < kTogether; ++i) hn::StoreU(v[i], d, x + i * lanes);
}

/// Two steps in one pass over memory: numbers `half` apart, then twice that.
HWY_INLINE void TwoSteps(std::size_t half, float* x) {
  const D d;
  for (std::size_t i = 0; i < half; i += hn::Lanes(d)) {
    V a = hn::LoadU(d, x + i);
    V b = hn::LoadU(d, x + half + i);
    V c = hn::LoadU(d, x + 2 * half + i);
    V e = hn::LoadU(d, x + 3 * half + i);
    ButterflyFour(a, b, c, e);
    hn::StoreU(a, d, x + i);
    hn::StoreU(b, d, x + half + i);
    hn::StoreU(c, d, x + 2 * half + i);
    hn::StoreU(e, d, x + 3 * half + i);
  }
}
#endif

#if HWY_TARGET != HWY_SCALAR
/// The steps within kTogether vectors of all blocks, where blocks are as large; returns how far apart the next one's
/// numbers are.
template <std::size_t kTogether>
std::size_t RotateInRegisters(std::size_t block, const float* from, float* x, std::size_t count) {
  const std::size_t width = kTogether * hn::Lanes(D());
  if (block < width) return 1;
  for (std::size_t i = 0; i < count; i += width) RotateVectors<kTogether>(from + i, x + i);
  return width;
}
#endif

void HadamardTransform(std::size_t block, const float* from, float* x, std::size_t count) {
  std::size_t half = 1;
#if HWY_TARGET != HWY_SCALAR
#if HWY_MAX_BYTES >= 64  // which come with 32 registers
  half = RotateInRegisters<8>(block, from, x, count);
#endif
  if (half == 1) half = RotateInRegisters<4>(block, from, x, count);
  for (; half > 1 && 2 * half < block; half *= 4) {
    for (std::size_t first = 0; first < count; first += 4 * half) TwoSteps(half, x + first);
  }
#endif
  if (half == 1 && from != x) std::copy_n(from, count, x);
  for (; half < block; half *= 2) {
    for (std::size_t first = 0; first < count; first += 2 * half) Butterfly(half, x + first, x + first + half);
  }
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

/// Draws a pair's sum in to ±most, half of the excess each: the nearest pair that fits.
void LimitPair(std::int32_t most, std::int8_t& first, std::int8_t& second) {
  const std::int32_t sum = first + second;
  const std::int32_t excess = std::abs(sum) - most;
  if (excess <= 0) return;
  const std::int32_t sign = sum > 0 ? 1 : -1;
  first = static_cast<std::int8_t>(first - sign * (excess / 2));
  second = static_cast<std::int8_t>(second - sign * (excess - excess / 2));
}

/// To the nearest, by way of a positive number.
void ToWeightCodes(const float* HWY_RESTRICT x, std::size_t count, float offset, float inverse, float most,
                   std::int8_t* HWY_RESTRICT codes) {
  for (std::size_t i = 0; i < count; ++i) {
    const float steps = std::min(std::max(-most, (x[i] - offset) * inverse), most);
    codes[i] = static_cast<std::int8_t>(static_cast<std::int32_t>(steps + 128.5F) - 128);
  }
}

WeightQuantParams QuantizeWeights(const float* x, std::size_t count, std::int32_t most, std::int32_t most_pair,
                                  std::int8_t* codes) {
  if (count == 0) return {};
  Range range = RangeOf(x, count);
  if (!std::isfinite(range.total)) {
    std::fill_n(codes, count, std::int8_t{0});
    return {0.0F, std::numeric_limits<float>::quiet_NaN()};
  }
  const bool limited = most_pair < 2 * most;
  if (limited) {
    range.greatest = std::max(range.greatest, -range.least);
    range.least = -range.greatest;
  }
  const float offset = 0.5F * range.least + 0.5F * range.greatest;
  const float scale = (0.5F * range.greatest - 0.5F * range.least) / static_cast<float>(most);
  // Weights too small for their scale to be inverted are as good as none.
  const float inverse = scale > 0 && std::isfinite(1.0F / scale) ? 1.0F / scale : 0.0F;
  ToWeightCodes(x, count, offset, inverse, static_cast<float>(most), codes);
  for (std::size_t i = 0; limited && i + 1 < count; i += 2) LimitPair(most_pair, codes[i], codes[i + 1]);
  return {scale, offset};
}

/// Σ of one vector of columns for four rows of the moments, which stay in registers while x is gone through. `scaled`
/// is x with each row times its weight.
void AddFourMoments(const float* HWY_RESTRICT x, std::size_t stride, std::size_t rows, const float* HWY_RESTRICT scaled,
                    float* HWY_RESTRICT moments, std::size_t moments_stride) {
  const D d;
  V sum[4];
  HWY_UNROLL(4)
  for (std::size_t j = 0; j < 4; ++j) sum[j] = hn::LoadU(d, moments + j * moments_stride);
  for (std::size_t r = 0; r < rows; ++r) {
    const V columns = hn::LoadU(d, x + r * stride);
    HWY_UNROLL(4)
    for (std::size_t j = 0; j < 4; ++j) sum[j] = hn::MulAdd(hn::Set(d, scaled[r * stride + j]), columns, sum[j]);
  }
  HWY_UNROLL(4)
  for (std::size_t j = 0; j < 4; ++j) hn::StoreU(sum[j], d, moments + j * moments_stride);
}

void AddMoments(const float* HWY_RESTRICT x, const float* HWY_RESTRICT scaled, std::size_t stride, std::size_t rows,
                std::size_t n, float* HWY_RESTRICT moments, std::size_t moments_stride) {
  const std::size_t lanes = hn::Lanes(D());
  for (std::size_t j = 0; j < n; ++j) {
    float* row = moments + j * moments_stride;
    std::size_t i = 0;
    if (j % 4 == 0 && j + 4 <= n) {
      for (; i <= j + 3 && i + lanes <= n; i += lanes) {
        AddFourMoments(x + i, stride, rows, scaled + j, row + i, moments_stride);
      }
    } else if (j - j % 4 + 4 <= n) {
      // With the first of the four.
      while (i <= j - j % 4 + 3 && i + lanes <= n) i += lanes;
    }
    for (; i <= j; ++i) {
      for (std::size_t r = 0; r < rows; ++r) row[i] += scaled[r * stride + j] * x[r * stride + i];
    }
  }
}

void LdlqRound(const float* HWY_RESTRICT feedback, std::size_t stride, std::size_t n, float most, LdlqTile& tile) {
  const D d;
  const std::size_t lanes = std::min(hn::Lanes(d), LdlqTile::kOutputs);
  const hn::CappedTag<float, LdlqTile::kOutputs> capped;
  tile.wanted = tile.weights;
  for (std::size_t first = 0; first < LdlqTile::kOutputs; first += lanes) {
    for (std::size_t k = 0; k < n; ++k) {
      const auto wanted = hn::Load(capped, &tile.wanted[k][first]);
      const auto code = hn::Min(hn::Max(hn::Round(wanted), hn::Set(capped, -most)), hn::Set(capped, most));
      hn::Store(code, capped, &tile.codes[k][first]);
      const auto error = hn::Sub(hn::Load(capped, &tile.weights[k][first]), code);
      for (std::size_t j = k + 1; j < n; ++j) {
        float* later = &tile.wanted[j][first];
        hn::Store(hn::MulAdd(error, hn::Set(capped, feedback[k * stride + j]), hn::Load(capped, later)), capped, later);
      }
    }
  }
}

/// The upper half of a float's bits, rounded to nearest even. What is not a number must not round up to infinity.
HWY_INLINE std::uint32_t RoundedBits(std::uint32_t bits) {
  const std::uint32_t rounded = bits + 0x7FFFU + ((bits >> 16) & 1U);
  const bool is_nan = (bits & 0x7FFFFFFFU) > 0x7F800000U;
  return (is_nan ? bits | 0x00400000U : rounded) & 0xFFFF0000U;
}

void ToBfloat16(const float* HWY_RESTRICT x, std::size_t count, std::uint16_t* HWY_RESTRICT y) {
  for (std::size_t i = 0; i < count; ++i) {
    y[i] = static_cast<std::uint16_t>(RoundedBits(std::bit_cast<std::uint32_t>(x[i])) >> 16);
  }
}

void FromBfloat16(const std::uint16_t* HWY_RESTRICT x, std::size_t count, float* HWY_RESTRICT y) {
  for (std::size_t i = 0; i < count; ++i) y[i] = std::bit_cast<float>(std::uint32_t{x[i]} << 16);
}

void RoundToBfloat16(const float* HWY_RESTRICT x, std::size_t count, float* HWY_RESTRICT y) {
  for (std::size_t i = 0; i < count; ++i) y[i] = std::bit_cast<float>(RoundedBits(std::bit_cast<std::uint32_t>(x[i])));
}

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace treble::internal::simd
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace treble::internal {

namespace simd {
HWY_EXPORT(QuantizeRow);
HWY_EXPORT(DequantizeRow);
HWY_EXPORT(HadamardTransform);
HWY_EXPORT(QuantizeWeights);
HWY_EXPORT(AddMoments);
HWY_EXPORT(LdlqRound);
HWY_EXPORT(ToBfloat16);
HWY_EXPORT(FromBfloat16);
HWY_EXPORT(RoundToBfloat16);

// The tables of functions can only be named from the namespace that exports them.
auto quantize_row() {
  choose_target();
  return &HWY_DYNAMIC_DISPATCH(QuantizeRow);
}

auto dequantize_row() {
  choose_target();
  return &HWY_DYNAMIC_DISPATCH(DequantizeRow);
}

auto hadamard_transform() {
  choose_target();
  return &HWY_DYNAMIC_DISPATCH(HadamardTransform);
}

auto quantize_weights() {
  choose_target();
  return &HWY_DYNAMIC_DISPATCH(QuantizeWeights);
}

auto add_moments() {
  choose_target();
  return &HWY_DYNAMIC_DISPATCH(AddMoments);
}

auto ldlq_round() {
  choose_target();
  return &HWY_DYNAMIC_DISPATCH(LdlqRound);
}

auto to_bfloat16() {
  choose_target();
  return &HWY_DYNAMIC_DISPATCH(ToBfloat16);
}

auto from_bfloat16() {
  choose_target();
  return &HWY_DYNAMIC_DISPATCH(FromBfloat16);
}

auto round_to_bfloat16() {
  choose_target();
  return &HWY_DYNAMIC_DISPATCH(RoundToBfloat16);
}
}  // namespace simd

RowQuantParams quantize_row(std::span<const float> x, std::int32_t most, std::span<std::uint8_t> codes) {
  return simd::quantize_row()(x.data(), x.size(), static_cast<float>(most), codes.data());
}

void dequantize_row(std::span<const std::int32_t> sums, const RowQuantParams& row, const ColumnQuantParams& columns,
                    bool accumulate, std::span<float> y) {
  simd::dequantize_row()(sums.data(), row, columns, accumulate, y.data());
}

void hadamard_transform(std::int64_t block, std::span<const float> x, std::span<float> rotated) {
  simd::hadamard_transform()(static_cast<std::size_t>(block), x.data(), rotated.data(), x.size());
}

WeightQuantParams quantize_weights(std::span<const float> x, std::int32_t most, std::int32_t most_pair,
                                   std::span<std::int8_t> codes) {
  return simd::quantize_weights()(x.data(), x.size(), most, most_pair, codes.data());
}

void add_moments(ConstMatrixView x, ConstMatrixView scaled, MatrixView moments) {
  simd::add_moments()(x.data, scaled.data, static_cast<std::size_t>(x.stride), static_cast<std::size_t>(x.rows),
                      static_cast<std::size_t>(x.cols), moments.data, static_cast<std::size_t>(moments.stride));
}

void ldlq_round(ConstMatrixView feedback, std::int32_t most, LdlqTile& tile) {
  simd::ldlq_round()(feedback.data, static_cast<std::size_t>(feedback.stride), static_cast<std::size_t>(feedback.rows),
                     static_cast<float>(most), tile);
}

void to_bfloat16(std::span<const float> x, std::span<std::uint16_t> y) {
  simd::to_bfloat16()(x.data(), x.size(), y.data());
}

void from_bfloat16(std::span<const std::uint16_t> x, std::span<float> y) {
  simd::from_bfloat16()(x.data(), x.size(), y.data());
}

void round_to_bfloat16(std::span<const float> x, std::span<float> y) {
  simd::round_to_bfloat16()(x.data(), x.size(), y.data());
}

}  // namespace treble::internal
#endif  // HWY_ONCE
