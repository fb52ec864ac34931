// Row operations: norms, rotary positions, sums, dispatched by instruction set at run time (Highway).
#include "kernels/row_ops.h"

#include "base/fail.h"
#include "kernels/simd/choose_target.h"
#include "kernels/simd/norm_row.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/simd/row_ops.cc"
#include <hwy/foreach_target.h>
// Highway wants to come after foreach_target.h.
#include <hwy/highway.h>

#include "kernels/simd/row_ops-inl.h"

#if HWY_ONCE
namespace treble::internal {

namespace simd {
HWY_EXPORT(LayerNormRow);
HWY_EXPORT(RmsNormRow);
HWY_EXPORT(AddRow);
HWY_EXPORT(RotateHalves);

// The tables of functions can only be named from the namespace that exports them.
auto layer_norm_row() {
  choose_target();
  return &HWY_DYNAMIC_DISPATCH(LayerNormRow);
}

auto rms_norm_row() {
  choose_target();
  return &HWY_DYNAMIC_DISPATCH(RmsNormRow);
}

auto add_row() {
  choose_target();
  return &HWY_DYNAMIC_DISPATCH(AddRow);
}

auto rotate_halves() {
  choose_target();
  return &HWY_DYNAMIC_DISPATCH(RotateHalves);
}
}  // namespace simd

namespace {

constexpr std::int64_t kRowsPerThread = 64;

struct Norm {
  std::span<const float> gain;
  std::span<const float> bias;
  float eps;
};

template <typename Kernel>
void normalize(const Execution& execution, Kernel kernel, const Norm& norm, ConstMatrixView x, MatrixView y) {
  const auto cols = static_cast<std::size_t>(x.cols);
  if (norm.gain.size() != cols || (!norm.bias.empty() && norm.bias.size() != cols) || y.cols != x.cols ||
      y.rows != x.rows) {
    fail(ErrorCode::internal, "norm: x [{}, {}], y [{}, {}], gain of {}, bias of {}", x.rows, x.cols, y.rows, y.cols,
         norm.gain.size(), norm.bias.size());
  }
  execution.for_ranges(x.rows, kRowsPerThread, [&](std::int64_t begin, std::int64_t end, int) {
    const float* bias = norm.bias.empty() ? nullptr : norm.bias.data();
    for (std::int64_t row = begin; row < end; ++row) {
      kernel({x.row(row), norm.gain.data(), bias, y.row(row), cols, norm.eps});
    }
  });
}

}  // namespace

void layer_norm(const Execution& execution, std::span<const float> gain, std::span<const float> bias, float eps,
                ConstMatrixView x, MatrixView y) {
  normalize(execution, simd::layer_norm_row(), {gain, bias, eps}, x, y);
}

void rms_norm(const Execution& execution, std::span<const float> gain, float eps, ConstMatrixView x, MatrixView y) {
  normalize(execution, simd::rms_norm_row(), {gain, {}, eps}, x, y);
}

void add_row(std::span<const float> x, std::span<float> y) { simd::add_row()(x.data(), y.size(), y.data()); }

void rotate_halves(std::span<const float> cos, std::span<const float> sin, std::span<float> head) {
  simd::rotate_halves()(cos.data(), sin.data(), head.size() / 2, head.data());
}

}  // namespace treble::internal
#endif  // HWY_ONCE
