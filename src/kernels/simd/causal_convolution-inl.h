// The depthwise causal convolution with SiLU, and softplus.
// Compiled once for each instruction set (Highway), hence the guard that is toggled with the target.
#if defined(TREBLE_SIMD_CAUSAL_CONVOLUTION_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef TREBLE_SIMD_CAUSAL_CONVOLUTION_INL_H_
#undef TREBLE_SIMD_CAUSAL_CONVOLUTION_INL_H_
#else
#define TREBLE_SIMD_CAUSAL_CONVOLUTION_INL_H_
#endif

#include <hwy/contrib/math/math-inl.h>
#include <hwy/highway.h>

#include <algorithm>
#include <cstddef>

#include "kernels/simd/bounds-inl.h"
#include "kernels/simd/convolution_rows.h"
#include "kernels/simd/sigmoid-inl.h"

HWY_BEFORE_NAMESPACE();
namespace treble::internal::simd {
namespace HWY_NAMESPACE {
namespace {

/// Whole vectors.
struct WholeVector {
  HWY_INLINE V Load(const float* from) const { return hn::LoadU(D(), from); }
  HWY_INLINE void Store(V values, float* to) const { hn::StoreU(values, D(), to); }
};

/// The first `count` numbers of vectors, where there are no more.
struct PartOfVector {
  std::size_t count;

  HWY_INLINE V Load(const float* from) const {
    HWY_ALIGN float values[hn::MaxLanes(D())] = {};
    std::copy_n(from, count, values);
    return hn::Load(D(), values);
  }
  HWY_INLINE void Store(V values, float* to) const {
    HWY_ALIGN float stored[hn::MaxLanes(D())];
    hn::Store(values, D(), stored);
    std::copy_n(stored, count, to);
  }
};

/// A vector of channels from `channel` of row `row`.
template <typename Access>
HWY_INLINE void ConvolveVector(const ConvolutionRows& task, std::size_t row, std::size_t channel,
                               const Access& access) {
  const D d;
  const std::size_t kept = task.kernel - 1;
  const std::size_t position = task.position + row;
  const std::size_t absent = kept - std::min(kept, position);
  const float* weight = task.weight + channel;
  V sum = task.bias == nullptr ? hn::Zero(d) : access.Load(task.bias + channel);
  for (std::size_t k = 0; k < absent && task.history != nullptr; ++k) {
    const float* before = task.history + (position + k) * task.channels + channel;
    sum = hn::MulAdd(access.Load(weight + k * task.channels), access.Load(before), sum);
  }
  const float* x = task.x + row * task.x_stride - (kept - absent) * task.x_stride + channel;
  for (std::size_t k = absent; k <= kept; ++k, x += task.x_stride) {
    sum = hn::MulAdd(access.Load(weight + k * task.channels), access.Load(x), sum);
  }
  access.Store(hn::Mul(sum, Sigmoid(d, sum)), task.y + row * task.y_stride + channel);
}

void ConvolveRows(const ConvolutionRows& task) {
  const std::size_t lanes = hn::Lanes(D());
  for (std::size_t row = 0; row < task.rows; ++row) {
    std::size_t channel = 0;
    for (; channel + lanes <= task.channels; channel += lanes) ConvolveVector(task, row, channel, WholeVector());
    if (channel < task.channels) ConvolveVector(task, row, channel, PartOfVector{task.channels - channel});
  }
}

/// log(1 + e^x) = max(x, 0) + log1p(e^−|x|): neither overflows nor loses the digits of a small result. The maximum lets
/// NaN through, of which Highway's exponential makes 0.
HWY_INLINE V Softplus(V x) {
  const D d;
  return hn::Add(ClampMin(hn::Zero(d), x), hn::Log1p(d, hn::Exp(d, hn::Neg(hn::Abs(x)))));
}

/// y = softplus(x + bias) within [min, max].
void SoftplusRow(const float* x, const float* bias, float min, float max, std::size_t count, float* y) {
  const D d;
  const std::size_t lanes = hn::Lanes(d);
  const V min_value = hn::Set(d, min);
  const V max_value = hn::Set(d, max);
  const auto step = [&](std::size_t at, const auto& access) HWY_ATTR {
    const V value = Softplus(hn::Add(access.Load(x + at), access.Load(bias + at)));
    access.Store(ClampMax(max_value, ClampMin(min_value, value)), y + at);
  };
  std::size_t at = 0;
  for (; at + lanes <= count; at += lanes) step(at, WholeVector());
  if (at < count) step(at, PartOfVector{count - at});
}

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace treble::internal::simd
HWY_AFTER_NAMESPACE();

#endif
