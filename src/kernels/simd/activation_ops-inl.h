// Activation functions.
// Compiled once for each instruction set (Highway), hence the guard that is toggled with the target.
#if defined(TREBLE_SIMD_ACTIVATION_OPS_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef TREBLE_SIMD_ACTIVATION_OPS_INL_H_
#undef TREBLE_SIMD_ACTIVATION_OPS_INL_H_
#else
#define TREBLE_SIMD_ACTIVATION_OPS_INL_H_
#endif

#include <hwy/contrib/math/math-inl.h>
#include <hwy/highway.h>

#include <cstddef>
#include <cstdint>

#include "kernels/activation.h"
#include "kernels/simd/bounds-inl.h"
#include "kernels/simd/sigmoid-inl.h"

HWY_BEFORE_NAMESPACE();
namespace treble::internal::simd {
namespace HWY_NAMESPACE {
namespace {

namespace hn = hwy::HWY_NAMESPACE;
using D = hn::ScalableTag<float>;
using V = hn::Vec<D>;

/// erf(z) = z P(z²) / Q(z²) on [−4, 4], beyond which erf is ±1 in float32. Minimax in relative error by iteratively
/// reweighted least squares; 2.5e-8 before rounding.
HWY_INLINE V Erf(D d, V z) {
  const V clamped = ClampMax(hn::Set(d, 4.0F), ClampMin(hn::Set(d, -4.0F), z));
  const V t = hn::Mul(clamped, clamped);
  V p = hn::Set(d, 1.9869692096108338e-06F);
  p = hn::MulAdd(p, t, hn::Set(d, 0.0002845449198503047F));
  p = hn::MulAdd(p, t, hn::Set(d, 0.0038823443464934826F));
  p = hn::MulAdd(p, t, hn::Set(d, 0.05309860780835152F));
  p = hn::MulAdd(p, t, hn::Set(d, 0.19352149963378906F));
  p = hn::MulAdd(p, t, hn::Set(d, 1.1283791065216064F));
  V q = hn::Set(d, 3.742104672710411e-05F);
  q = hn::MulAdd(q, t, hn::Set(d, 0.001185332890599966F));
  q = hn::MulAdd(q, t, hn::Set(d, 0.015205226838588715F));
  q = hn::MulAdd(q, t, hn::Set(d, 0.11534024775028229F));
  q = hn::MulAdd(q, t, hn::Set(d, 0.5048364996910095F));
  q = hn::MulAdd(q, t, hn::Set(d, 1.0F));
  return hn::Div(hn::Mul(clamped, p), q);
}

struct Identity {
  HWY_INLINE V operator()(D, V x) const { return x; }
};
struct Gelu {
  HWY_INLINE V operator()(D d, V x) const {
    const V half = hn::Mul(x, hn::Set(d, 0.5F));
    return hn::MulAdd(half, Erf(d, hn::Mul(x, hn::Set(d, 0.70710678118654752F))), half);
  }
};
/// max(x, 0) − |x| Φ(−|x|), the latter as a minimax polynomial of degree 9 on [0, 4.2]; max absolute error 1.1e-4.
struct PolynomialGelu {
  HWY_INLINE V operator()(D d, V x) const {
    const V a = ClampMax(hn::Set(d, 4.2F), hn::Abs(x));
    V p = hn::Set(d, 3.65830092e-05F);
    p = hn::MulAdd(p, a, hn::Set(d, -0.000597911479F));
    p = hn::MulAdd(p, a, hn::Set(d, 0.00330490875F));
    p = hn::MulAdd(p, a, hn::Set(d, -0.00344044389F));
    p = hn::MulAdd(p, a, hn::Set(d, -0.0335847139F));
    p = hn::MulAdd(p, a, hn::Set(d, 0.119810127F));
    p = hn::MulAdd(p, a, hn::Set(d, -0.0402027704F));
    p = hn::MulAdd(p, a, hn::Set(d, -0.385131359F));
    p = hn::MulAdd(p, a, hn::Set(d, 0.498419404F));
    return hn::NegMulAdd(a, p, ClampMin(hn::Zero(d), x));
  }
};
struct GeluTanh {
  HWY_INLINE V operator()(D d, V x) const {
    // 0.5 (1 + tanh(u)) = sigmoid(2u)
    const V cubic = hn::MulAdd(hn::Mul(x, x), hn::Set(d, 0.044715F), hn::Set(d, 1.0F));
    return hn::Mul(x, Sigmoid(d, hn::Mul(hn::Mul(x, cubic), hn::Set(d, 1.5957691216057308F))));
  }
};
struct Relu {
  HWY_INLINE V operator()(D d, V x) const { return ClampMin(hn::Zero(d), x); }
};
struct Silu {
  HWY_INLINE V operator()(D d, V x) const { return hn::Mul(x, Sigmoid(d, x)); }
};
struct Tanh {
  HWY_INLINE V operator()(D d, V x) const { return hn::Tanh(d, x); }
};
struct Logistic {
  // Highway's exponential makes 0 of NaN.
  HWY_INLINE V operator()(D d, V x) const { return hn::IfThenElse(hn::IsNaN(x), x, Sigmoid(d, x)); }
};

HWY_INLINE V LoadFloats(const float* from) { return hn::LoadU(D(), from); }

HWY_INLINE V LoadFloats(const std::uint16_t* from) {
  const D d;
  const hn::RebindToUnsigned<D> bits;
  const auto bf16 = hn::LoadU(hn::Rebind<std::uint16_t, D>(), from);
  return hn::BitCast(d, hn::ShiftLeft<16>(hn::PromoteTo(bits, bf16)));
}

HWY_INLINE void StoreFloats(V values, float* to) { hn::StoreU(values, D(), to); }

/// To the nearest bfloat16, ties away from 0, which takes fewer steps than ties to even. A NaN that comes of bfloat16
/// numbers has no lower bits, so what is added to them leaves it one.
HWY_INLINE void StoreFloats(V values, std::uint16_t* to) {
  const hn::RebindToUnsigned<D> bits;
  const auto rounded = hn::Add(hn::BitCast(bits, values), hn::Set(bits, 0x8000U));
  const hn::Rebind<std::uint16_t, D> bf16;
  hn::StoreU(hn::TruncateTo(bf16, hn::ShiftRight<16>(rounded)), bf16, to);
}

/// out = f(gate) · up, or f(gate) where up is null; the last, partial vector goes through a small buffer.
template <typename F, typename T>
void Apply(const T* gate, const T* up, std::size_t count, T* out) {
  const D d;
  const F f;
  const std::size_t lanes = hn::Lanes(d);
  const auto step = [&](const T* g, const T* u, T* o) {
    const V value = f(d, LoadFloats(g));
    StoreFloats(u == nullptr ? value : hn::Mul(value, LoadFloats(u)), o);
  };
  std::size_t i = 0;
  for (; i + lanes <= count; i += lanes) step(gate + i, up == nullptr ? nullptr : up + i, out + i);
  if (i == count) return;
  HWY_ALIGN T g[hn::MaxLanes(D())] = {};
  HWY_ALIGN T u[hn::MaxLanes(D())] = {};
  for (std::size_t j = i; j < count; ++j) {
    g[j - i] = gate[j];
    if (up != nullptr) u[j - i] = up[j];
  }
  step(g, up == nullptr ? nullptr : u, g);
  for (std::size_t j = i; j < count; ++j) out[j] = g[j - i];
}

/// By vectors: the C library's copy of a row of over 2 KiB (`rep movsb`) waits longer for cache lines that another core
/// owns.
template <typename T>
void Copy(const T* from, std::size_t count, T* to) {
  const hn::ScalableTag<T> d;
  const std::size_t lanes = hn::Lanes(d);
  std::size_t i = 0;
  for (; i + lanes <= count; i += lanes) hn::StoreU(hn::LoadU(d, from + i), d, to + i);
  for (; i < count; ++i) to[i] = from[i];
}

template <typename T>
void ActivateNumbers(Activation activation, ActivationAccuracy accuracy, const T* gate, const T* up, std::size_t count,
                     T* out) {
  if (activation == Activation::identity && up == nullptr) return Copy(gate, count, out);
  if (activation == Activation::gelu && accuracy == ActivationAccuracy::bfloat16) {
    return Apply<PolynomialGelu>(gate, up, count, out);
  }
  switch (activation) {
    case Activation::identity: return Apply<Identity>(gate, up, count, out);
    case Activation::gelu: return Apply<Gelu>(gate, up, count, out);
    case Activation::gelu_tanh: return Apply<GeluTanh>(gate, up, count, out);
    case Activation::relu: return Apply<Relu>(gate, up, count, out);
    case Activation::silu: return Apply<Silu>(gate, up, count, out);
    case Activation::tanh: return Apply<Tanh>(gate, up, count, out);
    case Activation::sigmoid: return Apply<Logistic>(gate, up, count, out);
  }
}

void ActivateRow(Activation activation, ActivationAccuracy accuracy, const float* gate, const float* up,
                 std::size_t count, float* out) {
  ActivateNumbers(activation, accuracy, gate, up, count, out);
}

void ActivateBfloat16Row(Activation activation, ActivationAccuracy accuracy, const std::uint16_t* gate,
                         const std::uint16_t* up, std::size_t count, std::uint16_t* out) {
  ActivateNumbers(activation, accuracy, gate, up, count, out);
}

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace treble::internal::simd
HWY_AFTER_NAMESPACE();

#endif
