// Row operations, compiled once for each instruction set and chosen at run time (Highway).
#include "kernels/row_ops.h"

#include <cmath>

#include "base/fail.h"
#include "kernels/simd/choose_target.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/simd/row_ops.cc"
#include <hwy/foreach_target.h>
// Highway wants to come after foreach_target.h.
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace treble::simd {
namespace HWY_NAMESPACE {
namespace {

namespace hn = hwy::HWY_NAMESPACE;
using D = hn::ScalableTag<float>;
using V = hn::Vec<D>;

float Mean(const float* HWY_RESTRICT row, std::size_t cols) {
  const D d;
  const std::size_t lanes = hn::Lanes(d);
  V sum = hn::Zero(d);
  std::size_t c = 0;
  for (; c + lanes <= cols; c += lanes) sum = hn::Add(sum, hn::LoadU(d, row + c));
  float total = hn::GetLane(hn::SumOfLanes(d, sum));
  for (; c < cols; ++c) total += row[c];
  return total / static_cast<float>(cols);
}

/// Two passes, as (x − mean)² loses no digits where E[x²] − mean² would.
float Variance(const float* HWY_RESTRICT row, std::size_t cols, float mean) {
  const D d;
  const std::size_t lanes = hn::Lanes(d);
  const V vector_mean = hn::Set(d, mean);
  V sum = hn::Zero(d);
  std::size_t c = 0;
  for (; c + lanes <= cols; c += lanes) {
    const V centred = hn::Sub(hn::LoadU(d, row + c), vector_mean);
    sum = hn::MulAdd(centred, centred, sum);
  }
  float total = hn::GetLane(hn::SumOfLanes(d, sum));
  for (; c < cols; ++c) total += (row[c] - mean) * (row[c] - mean);
  return total / static_cast<float>(cols);
}

void NormalizeRow(const float* HWY_RESTRICT gain, const float* HWY_RESTRICT bias, float eps, std::size_t cols,
                  float* HWY_RESTRICT row) {
  const D d;
  const std::size_t lanes = hn::Lanes(d);
  const float mean = Mean(row, cols);
  const float scale = 1.0F / std::sqrt(Variance(row, cols, mean) + eps);
  const V vector_mean = hn::Set(d, mean);
  const V vector_scale = hn::Set(d, scale);
  std::size_t c = 0;
  for (; c + lanes <= cols; c += lanes) {
    const V normal = hn::Mul(hn::Sub(hn::LoadU(d, row + c), vector_mean), vector_scale);
    hn::StoreU(hn::MulAdd(normal, hn::LoadU(d, gain + c), hn::LoadU(d, bias + c)), d, row + c);
  }
  for (; c < cols; ++c) row[c] = (row[c] - mean) * scale * gain[c] + bias[c];
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
}  // namespace treble::simd
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace treble {

namespace simd {
HWY_EXPORT(NormalizeRow);
HWY_EXPORT(AddRow);

// The table of functions can only be named from the namespace that exports it.
auto normalize_row() {
  choose_target();
  return &HWY_DYNAMIC_DISPATCH(NormalizeRow);
}

auto add_row() {
  choose_target();
  return &HWY_DYNAMIC_DISPATCH(AddRow);
}
}  // namespace simd

namespace {
constexpr std::int64_t kRowsPerThread = 64;
}  // namespace

void layer_norm(const Execution& execution, std::span<const float> gain, std::span<const float> bias, float eps,
                MatrixView x) {
  const auto cols = static_cast<std::size_t>(x.cols);
  if (gain.size() != cols || bias.size() != cols) {
    fail(ErrorCode::internal, "layer_norm: rows of {}, gain of {}, bias of {}", cols, gain.size(), bias.size());
  }
  const auto normalize_row = simd::normalize_row();
  execution.for_ranges(x.rows, kRowsPerThread, [&](std::int64_t begin, std::int64_t end, int) {
    for (std::int64_t row = begin; row < end; ++row) normalize_row(gain.data(), bias.data(), eps, cols, x.row(row));
  });
}

void add_row(std::span<const float> x, std::span<float> y) {
  simd::add_row()(x.data(), y.size(), y.data());
}

}  // namespace treble
#endif  // HWY_ONCE
