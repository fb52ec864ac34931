// Second moments and LDLQ rounding; for files compiled once for each instruction set (Highway), hence the guard that is
// toggled with the target.
#if defined(TREBLE_SIMD_LDLQ_OPS_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef TREBLE_SIMD_LDLQ_OPS_INL_H_
#undef TREBLE_SIMD_LDLQ_OPS_INL_H_
#else
#define TREBLE_SIMD_LDLQ_OPS_INL_H_
#endif

#include <algorithm>
#include <cstddef>

#include "kernels/ldlq_ops.h"

#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace treble::internal::simd {
namespace HWY_NAMESPACE {
namespace {

namespace hn = hwy::HWY_NAMESPACE;
using D = hn::ScalableTag<float>;
using V = hn::Vec<D>;

/// Σ of one vector of columns for four rows of the moments, which stay in registers over all rows of x. `scaled`
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

void LdlqRound(const float* HWY_RESTRICT feedback, std::size_t stride, std::size_t n, float qmax, LdlqTile& tile) {
  const D d;
  const std::size_t lanes = std::min(hn::Lanes(d), LdlqTile::kOutputs);
  const hn::CappedTag<float, LdlqTile::kOutputs> capped;
  tile.target = tile.weights;
  for (std::size_t first = 0; first < LdlqTile::kOutputs; first += lanes) {
    for (std::size_t k = 0; k < n; ++k) {
      const auto target = hn::Load(capped, &tile.target[k][first]);
      const auto code = hn::Min(hn::Max(hn::Round(target), hn::Set(capped, -qmax)), hn::Set(capped, qmax));
      hn::Store(code, capped, &tile.codes[k][first]);
      const auto error = hn::Sub(hn::Load(capped, &tile.weights[k][first]), code);
      for (std::size_t j = k + 1; j < n; ++j) {
        float* later = &tile.target[j][first];
        hn::Store(hn::MulAdd(error, hn::Set(capped, feedback[k * stride + j]), hn::Load(capped, later)), capped, later);
      }
    }
  }
}

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace treble::internal::simd
HWY_AFTER_NAMESPACE();

#endif
