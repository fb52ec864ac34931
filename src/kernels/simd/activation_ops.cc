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

/// erf(z) = z P(z²) / Q(z²) on [−4, 4], beyond which erf is ±1 in float32. Minimax in relative error by iteratively
/// reweighted least squares; 2.5e-8 before rounding.
HWY_INLINE V Erf(D d, V z) {
  const V clamped = hn::Min(hn::Max(z, hn::Set(d, -4.0F)), hn::Set(d, 4.0F));
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
  return hn::Div(one, hn::Add(one, hn::Exp(d, hn::Neg(hn::Max(x, lowest)))));
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
struct GeluTanh {
  HWY_INLINE V operator()(D d, V x) const {
    // 0.5 (1 + tanh(u)) = sigmoid(2u)
    const V cubic = hn::MulAdd(hn::Mul(x, x), hn::Set(d, 0.044715F), hn::Set(d, 1.0F));
    return hn::Mul(x, Sigmoid(d, hn::Mul(hn::Mul(x, cubic), hn::Set(d, 1.5957691216057308F))));
  }
};
struct Relu {
  HWY_INLINE V operator()(D d, V x) const { return hn::Max(x, hn::Zero(d)); }
};
struct Silu {
  HWY_INLINE V operator()(D d, V x) const { return hn::Mul(x, Sigmoid(d, x)); }
};
struct Tanh {
  HWY_INLINE V operator()(D d, V x) const { return hn::Tanh(d, x); }
};
struct Logistic {
  HWY_INLINE V operator()(D d, V x) const { return Sigmoid(d, x); }
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

void ActivateRow(Activation activation, const float* gate, const float* up, std::size_t count, float* out) {
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

void activate(Activation activation, MatrixView x) {
  if (activation == Activation::identity) return;
  const auto activate_row = simd::activate_row();
  for (std::int64_t row = 0; row < x.rows; ++row) {
    activate_row(activation, x.row(row), nullptr, static_cast<std::size_t>(x.cols), x.row(row));
  }
}

void activate_gated(Activation activation, ConstMatrixView gate, ConstMatrixView up, MatrixView out) {
  if (gate.rows != up.rows || gate.cols != up.cols || out.rows != up.rows || out.cols != up.cols) {
    fail(ErrorCode::internal, "activate_gated: gate [{}, {}], up [{}, {}], out [{}, {}]", gate.rows, gate.cols, up.rows,
         up.cols, out.rows, out.cols);
  }
  const auto activate_row = simd::activate_row();
  for (std::int64_t row = 0; row < out.rows; ++row) {
    activate_row(activation, gate.row(row), up.row(row), static_cast<std::size_t>(out.cols), out.row(row));
  }
}

}  // namespace treble
#endif  // HWY_ONCE
