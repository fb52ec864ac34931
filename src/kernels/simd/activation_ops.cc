// Activation functions, compiled once for each instruction set and chosen at run time (Highway).
#include "kernels/activation_ops.h"

#include <cstddef>

#include "base/fail.h"
#include "kernels/simd/choose_target.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/simd/activation_ops.cc"
#include <hwy/foreach_target.h>
// Highway wants to come after foreach_target.h.
#include <hwy/contrib/math/math-inl.h>
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace treble::simd {
namespace HWY_NAMESPACE {
namespace {

namespace hn = hwy::HWY_NAMESPACE;
using D = hn::ScalableTag<float>;
using V = hn::Vec<D>;

/// x, but no less than `least`; NaN stays NaN (where one of two numbers is NaN, x86 takes the second, Arm the NaN,
/// and Highway's emulation the other one).
HWY_INLINE V AtLeast(V least, V x) {
#if HWY_TARGET == HWY_EMU128 || HWY_TARGET == HWY_SCALAR
  return hn::IfThenElse(hn::Lt(x, least), least, x);
#else
  return hn::Max(least, x);
#endif
}

/// x, but no more than `most`; likewise.
HWY_INLINE V AtMost(V most, V x) {
#if HWY_TARGET == HWY_EMU128 || HWY_TARGET == HWY_SCALAR
  return hn::IfThenElse(hn::Lt(most, x), most, x);
#else
  return hn::Min(most, x);
#endif
}

/// erf(z) = z P(z²) / Q(z²) on [−4, 4], beyond which erf is ±1 in float32. Minimax in relative error by iteratively
/// reweighted least squares; 2.5e-8 before rounding.
HWY_INLINE V Erf(D d, V z) {
  const V clamped = AtMost(hn::Set(d, 4.0F), AtLeast(hn::Set(d, -4.0F), z));
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

/// 1 / (1 + e^−x); e^−x overflows to infinity harmlessly.
HWY_INLINE V Sigmoid(D d, V x) {
  const V one = hn::Set(d, 1.0F);
  const V lowest = hn::Set(d, -88.0F);
  return hn::Div(one, hn::Add(one, hn::Exp(d, hn::Neg(AtLeast(lowest, x)))));
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
/// max(x, 0) − |x| Φ(−|x|), the latter as a minimax polynomial of degree 9 on [0, 4.2]; off by 1.1e-4 at most.
struct RoughGelu {
  HWY_INLINE V operator()(D d, V x) const {
    const V a = AtMost(hn::Set(d, 4.2F), hn::Abs(x));
    V p = hn::Set(d, 3.65830092e-05F);
    p = hn::MulAdd(p, a, hn::Set(d, -0.000597911479F));
    p = hn::MulAdd(p, a, hn::Set(d, 0.00330490875F));
    p = hn::MulAdd(p, a, hn::Set(d, -0.00344044389F));
    p = hn::MulAdd(p, a, hn::Set(d, -0.0335847139F));
    p = hn::MulAdd(p, a, hn::Set(d, 0.119810127F));
    p = hn::MulAdd(p, a, hn::Set(d, -0.0402027704F));
    p = hn::MulAdd(p, a, hn::Set(d, -0.385131359F));
    p = hn::MulAdd(p, a, hn::Set(d, 0.498419404F));
    return hn::NegMulAdd(a, p, AtLeast(hn::Zero(d), x));
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
  HWY_INLINE V operator()(D d, V x) const { return AtLeast(hn::Zero(d), x); }
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

/// out = f(gate) · up, or f(gate) where up is null; the last, partial vector goes through a small buffer.
template <typename F>
void Apply(const float* gate, const float* up, std::size_t count, float* out) {
  const D d;
  const F f;
  const std::size_t lanes = hn::Lanes(d);
  const auto step = [&](const float* g, const float* u, float* o) {
    const V value = f(d, hn::LoadU(d, g));
    hn::StoreU(u == nullptr ? value : hn::Mul(value, hn::LoadU(d, u)), d, o);
  };
  std::size_t i = 0;
  for (; i + lanes <= count; i += lanes) step(gate + i, up == nullptr ? nullptr : up + i, out + i);
  if (i == count) return;
  HWY_ALIGN float g[hn::MaxLanes(D())] = {};
  HWY_ALIGN float u[hn::MaxLanes(D())] = {};
  for (std::size_t j = i; j < count; ++j) {
    g[j - i] = gate[j];
    if (up != nullptr) u[j - i] = up[j];
  }
  step(g, up == nullptr ? nullptr : u, g);
  for (std::size_t j = i; j < count; ++j) out[j] = g[j - i];
}

void ActivateRow(Activation activation, ActivationAccuracy accuracy, const float* gate, const float* up,
                 std::size_t count, float* out) {
  if (activation == Activation::gelu && accuracy == ActivationAccuracy::bfloat16) {
    return Apply<RoughGelu>(gate, up, count, out);
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

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace treble::simd
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace treble {

namespace simd {
HWY_EXPORT(ActivateRow);

// The table of functions can only be named from the namespace that exports it.
auto activate_row() {
  choose_target();
  return &HWY_DYNAMIC_DISPATCH(ActivateRow);
}
}  // namespace simd

void activate(Activation activation, MatrixView x, ActivationAccuracy accuracy) {
  if (activation == Activation::identity) return;
  const auto activate_row = simd::activate_row();
  for (std::int64_t row = 0; row < x.rows; ++row) {
    activate_row(activation, accuracy, x.row(row), nullptr, static_cast<std::size_t>(x.cols), x.row(row));
  }
}

void activate_gated(Activation activation, ConstMatrixView gate, ConstMatrixView up, MatrixView out,
                    ActivationAccuracy accuracy) {
  if (gate.rows != up.rows || gate.cols != up.cols || out.rows != up.rows || out.cols != up.cols) {
    fail(ErrorCode::internal, "activate_gated: gate [{}, {}], up [{}, {}], out [{}, {}]", gate.rows, gate.cols, up.rows,
         up.cols, out.rows, out.cols);
  }
  const auto activate_row = simd::activate_row();
  for (std::int64_t row = 0; row < out.rows; ++row) {
    activate_row(activation, accuracy, gate.row(row), up.row(row), static_cast<std::size_t>(out.cols), out.row(row));
  }
}

}  // namespace treble
#endif  // HWY_ONCE
