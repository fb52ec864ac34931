// Activation functions, dispatched by instruction set at run time (Highway).
#include "kernels/activation_ops.h"

#include <cstddef>
#include <cstdint>

#include "base/fail.h"
#include "kernels/simd/choose_target.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/simd/activation_ops.cc"
#include <hwy/foreach_target.h>
// Highway wants to come after foreach_target.h.
#include <hwy/highway.h>

#include "kernels/simd/activation_ops-inl.h"

#if HWY_ONCE
namespace treble::internal {

namespace simd {
HWY_EXPORT(ActivateRow);
HWY_EXPORT(ActivateBfloat16Row);

// The tables of functions can only be named from the namespace that exports them. The argument chooses one.
auto activate_row(const float*) {
  choose_target();
  return &HWY_DYNAMIC_DISPATCH(ActivateRow);
}

auto activate_row(const std::uint16_t*) {
  choose_target();
  return &HWY_DYNAMIC_DISPATCH(ActivateBfloat16Row);
}
}  // namespace simd

namespace {

template <typename T>
void activate_rows(Activation activation, BasicMatrixView<const T> x, BasicMatrixView<T> y,
                   ActivationAccuracy accuracy) {
  if (x.rows != y.rows || x.cols != y.cols) {
    fail(ErrorCode::internal, "activate: x [{}, {}], y [{}, {}]", x.rows, x.cols, y.rows, y.cols);
  }
  if (activation == Activation::identity && x.data == y.data) return;
  const auto activate_row = simd::activate_row(x.data);
  for (std::int64_t row = 0; row < x.rows; ++row) {
    activate_row(activation, accuracy, x.row(row), nullptr, static_cast<std::size_t>(x.cols), y.row(row));
  }
}

template <typename T>
void activate_gated_rows(Activation activation, BasicMatrixView<const T> gate, BasicMatrixView<const T> up,
                         BasicMatrixView<T> out, ActivationAccuracy accuracy) {
  if (gate.rows != up.rows || gate.cols != up.cols || out.rows != up.rows || out.cols != up.cols) {
    fail(ErrorCode::internal, "activate_gated: gate [{}, {}], up [{}, {}], out [{}, {}]", gate.rows, gate.cols, up.rows,
         up.cols, out.rows, out.cols);
  }
  const auto activate_row = simd::activate_row(out.data);
  for (std::int64_t row = 0; row < out.rows; ++row) {
    activate_row(activation, accuracy, gate.row(row), up.row(row), static_cast<std::size_t>(out.cols), out.row(row));
  }
}

}  // namespace

void activate(Activation activation, ConstMatrixView x, MatrixView y, ActivationAccuracy accuracy) {
  activate_rows(activation, x, y, accuracy);
}

void activate(Activation activation, ConstBfloat16View x, Bfloat16View y, ActivationAccuracy accuracy) {
  activate_rows(activation, x, y, accuracy);
}

void activate(Activation activation, MatrixView x, ActivationAccuracy accuracy) {
  activate(activation, x, x, accuracy);
}

void activate(Activation activation, Bfloat16View x, ActivationAccuracy accuracy) {
  activate(activation, x, x, accuracy);
}

void activate_gated(Activation activation, ConstMatrixView gate, ConstMatrixView up, MatrixView out,
                    ActivationAccuracy accuracy) {
  activate_gated_rows(activation, gate, up, out, accuracy);
}

void activate_gated(Activation activation, ConstBfloat16View gate, ConstBfloat16View up, Bfloat16View out,
                    ActivationAccuracy accuracy) {
  activate_gated_rows(activation, gate, up, out, accuracy);
}

}  // namespace treble::internal
#endif  // HWY_ONCE
