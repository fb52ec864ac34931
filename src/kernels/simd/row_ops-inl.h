// Row operations: norms, rotary positions, sums.
// Compiled once for each instruction set (Highway), hence the guard that is toggled with the target.
#if defined(TREBLE_SIMD_ROW_OPS_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef TREBLE_SIMD_ROW_OPS_INL_H_
#undef TREBLE_SIMD_ROW_OPS_INL_H_
#else
#define TREBLE_SIMD_ROW_OPS_INL_H_
#endif

#include <hwy/highway.h>

#include <cmath>
#include <cstddef>

#include "kernels/simd/norm_row.h"

HWY_BEFORE_NAMESPACE();
namespace treble::internal::simd {
namespace HWY_NAMESPACE {
namespace {

namespace hn = hwy::HWY_NAMESPACE;
using D = hn::ScalableTag<float>;
using V = hn::Vec<D>;

/// Independent accumulators, which hide the latency of an addition (three or four cycles).
constexpr std::size_t kSums = 4;

/// Σ term(sum, x) over a row: `add_vector` and `add_one` add the term of a vector and of a number to a sum.
template <typename AddVector, typename AddOne>
HWY_INLINE float SumOver(const float* HWY_RESTRICT row, std::size_t cols, const AddVector& add_vector,
                         const AddOne& add_one) {
  const D d;
  const std::size_t lanes = hn::Lanes(d);
  V sums[kSums];
  HWY_UNROLL(4)
  for (std::size_t i = 0; i < kSums; ++i) sums[i] = hn::Zero(d);
  std::size_t c = 0;
  for (; c + kSums * lanes <= cols; c += kSums * lanes) {
    HWY_UNROLL(4)
    for (std::size_t i = 0; i < kSums; ++i) sums[i] = add_vector(sums[i], hn::LoadU(d, row + c + i * lanes));
  }
  for (; c + lanes <= cols; c += lanes) sums[0] = add_vector(sums[0], hn::LoadU(d, row + c));
  float total = hn::GetLane(hn::SumOfLanes(d, hn::Add(hn::Add(sums[0], sums[1]), hn::Add(sums[2], sums[3]))));
  for (; c < cols; ++c) total = add_one(total, row[c]);
  return total;
}

float Mean(const float* row, std::size_t cols) {
  const float total = SumOver(
      row, cols, [](V sum, V x) HWY_ATTR { return hn::Add(sum, x); }, [](float sum, float x) { return sum + x; });
  return total / static_cast<float>(cols);
}

/// Two passes, as (x − mean)² loses no digits where E[x²] − mean² would.
float Variance(const float* row, std::size_t cols, float mean) {
  const V vector_mean = hn::Set(D(), mean);
  const auto add_vector = [vector_mean](V sum, V x) HWY_ATTR {
    const V centred = hn::Sub(x, vector_mean);
    return hn::MulAdd(centred, centred, sum);
  };
  const auto add_one = [mean](float sum, float x) { return sum + (x - mean) * (x - mean); };
  return SumOver(row, cols, add_vector, add_one) / static_cast<float>(cols);
}

/// y = (x − mean) · scale · gain + bias
void Rescale(const NormRow& row, float mean, float scale) {
  const D d;
  const std::size_t lanes = hn::Lanes(d);
  const V vector_mean = hn::Set(d, mean);
  const V vector_scale = hn::Set(d, scale);
  std::size_t c = 0;
  for (; c + lanes <= row.cols; c += lanes) {
    const V normal = hn::Mul(hn::Sub(hn::LoadU(d, row.x + c), vector_mean), vector_scale);
    const V gained = hn::Mul(normal, hn::LoadU(d, row.gain + c));
    hn::StoreU(row.bias == nullptr ? gained : hn::Add(gained, hn::LoadU(d, row.bias + c)), d, row.y + c);
  }
  for (; c < row.cols; ++c) {
    row.y[c] = (row.x[c] - mean) * scale * row.gain[c] + (row.bias == nullptr ? 0.0F : row.bias[c]);
  }
}

void LayerNormRow(const NormRow& row) {
  const float mean = Mean(row.x, row.cols);
  Rescale(row, mean, 1.0F / std::sqrt(Variance(row.x, row.cols, mean) + row.eps));
}

void RmsNormRow(const NormRow& row) { Rescale(row, 0.0F, 1.0F / std::sqrt(Variance(row.x, row.cols, 0.0F) + row.eps)); }

void RotateHalves(const float* HWY_RESTRICT cos, const float* HWY_RESTRICT sin, std::size_t half,
                  float* HWY_RESTRICT head) {
  const D d;
  const std::size_t lanes = hn::Lanes(d);
  std::size_t c = 0;
  for (; c + lanes <= half; c += lanes) {
    const V first = hn::LoadU(d, head + c);
    const V second = hn::LoadU(d, head + half + c);
    const V cosine = hn::LoadU(d, cos + c);
    const V sine = hn::LoadU(d, sin + c);
    hn::StoreU(hn::Sub(hn::Mul(first, cosine), hn::Mul(second, sine)), d, head + c);
    hn::StoreU(hn::Add(hn::Mul(second, cosine), hn::Mul(first, sine)), d, head + half + c);
  }
  for (; c < half; ++c) {
    const float first = head[c];
    const float second = head[half + c];
    head[c] = first * cos[c] - second * sin[c];
    head[half + c] = second * cos[c] + first * sin[c];
  }
}

void AddRow(const float* HWY_RESTRICT x, std::size_t cols, float* HWY_RESTRICT y) {
  const D d;
  const std::size_t lanes = hn::Lanes(d);
  std::size_t c = 0;
  for (; c + lanes <= cols; c += lanes) hn::StoreU(hn::Add(hn::LoadU(d, x + c), hn::LoadU(d, y + c)), d, y + c);
  for (; c < cols; ++c) y[c] += x[c];
}

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace treble::internal::simd
HWY_AFTER_NAMESPACE();

#endif
