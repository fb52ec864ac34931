// What comes before the selective scan: the causal convolution and softplus, dispatched by instruction set at run time
// (Highway).
#include <algorithm>
#include <cstddef>

#include "base/fail.h"
#include "kernels/selective_scan.h"
#include "kernels/simd/choose_target.h"
#include "kernels/simd/convolution_rows.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/simd/causal_convolution.cc"
#include <hwy/foreach_target.h>
// Highway wants to come after foreach_target.h.
#include <hwy/highway.h>

#include "kernels/simd/causal_convolution-inl.h"

#if HWY_ONCE
namespace treble::internal {

namespace simd {
HWY_EXPORT(ConvolveRows);
HWY_EXPORT(SoftplusRow);

// The tables of functions can only be named from the namespace that exports them.
auto convolve_rows() {
  choose_target();
  return &HWY_DYNAMIC_DISPATCH(ConvolveRows);
}

auto softplus_row() {
  choose_target();
  return &HWY_DYNAMIC_DISPATCH(SoftplusRow);
}
}  // namespace simd

namespace {

constexpr std::int64_t kRowsPerThread = 16;

void check_convolution(const CausalConvolution& convolution, std::span<const std::int64_t> offsets,
                       std::span<const float> history, ConstMatrixView x, ConstMatrixView y) {
  const auto channels = static_cast<std::size_t>(x.cols);
  const auto kernel = static_cast<std::size_t>(convolution.kernel);
  const bool has_shape = convolution.kernel >= 1 && !offsets.empty() && offsets.back() == x.rows &&
                         convolution.weight.size() == kernel * channels &&
                         (convolution.bias.empty() || convolution.bias.size() == channels) && y.rows == x.rows &&
                         y.cols == x.cols;
  if (has_shape && (history.empty() || history.size() == (offsets.size() - 1) * (kernel - 1) * channels)) return;
  fail(ErrorCode::internal,
       "causal_convolution: kernel of {}, weight of {}, bias of {}, history of {}, {} offsets, x [{}, {}], y [{}, {}]",
       convolution.kernel, convolution.weight.size(), convolution.bias.size(), history.size(), offsets.size(), x.rows,
       x.cols, y.rows, y.cols);
}

/// The last kernel − 1 tokens of a sequence: some of the history before it where the sequence is shorter.
void replace_history(ConstMatrixView sequence, std::size_t kept, std::span<float> history) {
  const auto channels = static_cast<std::size_t>(sequence.cols);
  const auto length = static_cast<std::size_t>(sequence.rows);
  const std::size_t stay = kept - std::min(kept, length);
  std::copy_n(history.begin() + static_cast<std::ptrdiff_t>((kept - stay) * channels), stay * channels,
              history.begin());
  for (std::size_t k = stay; k < kept; ++k) {
    std::copy_n(sequence.row(static_cast<std::int64_t>(length - kept + k)), channels,
                history.begin() + static_cast<std::ptrdiff_t>(k * channels));
  }
}

/// body(sequence, begin, end) for what of each sequence lies within rows [begin, end).
template <typename Body>
void for_each_sequence(std::span<const std::int64_t> offsets, std::int64_t begin, std::int64_t end, const Body& body) {
  const auto next = std::upper_bound(offsets.begin(), offsets.end(), begin);
  for (auto s = static_cast<std::size_t>(next - offsets.begin()) - 1; begin < end; ++s) {
    const std::int64_t stop = std::min(end, offsets[s + 1]);
    if (begin < stop) body(s, begin, stop);
    begin = std::max(begin, stop);
  }
}

}  // namespace

void causal_convolution(const Execution& execution, const CausalConvolution& convolution,
                        std::span<const std::int64_t> offsets, std::span<float> history, ConstMatrixView x,
                        MatrixView y) {
  check_convolution(convolution, offsets, history, x, y);
  const auto convolve_rows = simd::convolve_rows();
  const auto kept = static_cast<std::size_t>(convolution.kernel - 1);
  const std::size_t values = kept * static_cast<std::size_t>(x.cols);
  simd::ConvolutionRows all;
  all.weight = convolution.weight.data();
  all.bias = convolution.bias.empty() ? nullptr : convolution.bias.data();
  all.kernel = kept + 1;
  all.channels = static_cast<std::size_t>(x.cols);
  all.x_stride = static_cast<std::size_t>(x.stride);
  all.y_stride = static_cast<std::size_t>(y.stride);
  execution.for_ranges(x.rows, kRowsPerThread, [&](std::int64_t begin, std::int64_t end, int) {
    for_each_sequence(offsets, begin, end, [&](std::size_t s, std::int64_t first, std::int64_t stop) {
      simd::ConvolutionRows task = all;
      task.history = history.empty() ? nullptr : history.data() + s * values;
      task.position = static_cast<std::size_t>(first - offsets[s]);
      task.rows = static_cast<std::size_t>(stop - first);
      task.x = x.row(first);
      task.y = y.row(first);
      convolve_rows(task);
    });
  });
  if (history.empty()) return;
  for (std::size_t s = 0; s + 1 < offsets.size(); ++s) {
    replace_history(x.row_range(offsets[s], offsets[s + 1]), kept, history.subspan(s * values, values));
  }
}

void softplus(std::span<const float> bias, float min, float max, ConstMatrixView x, MatrixView y) {
  if (x.rows != y.rows || x.cols != y.cols || static_cast<std::int64_t>(bias.size()) != x.cols) {
    fail(ErrorCode::internal, "softplus: x [{}, {}], y [{}, {}], bias of {}", x.rows, x.cols, y.rows, y.cols,
         bias.size());
  }
  const auto softplus_row = simd::softplus_row();
  for (std::int64_t row = 0; row < x.rows; ++row) {
    softplus_row(x.row(row), bias.data(), min, max, static_cast<std::size_t>(x.cols), y.row(row));
  }
}

}  // namespace treble::internal
#endif  // HWY_ONCE
