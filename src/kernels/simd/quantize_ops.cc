// Quantization, dispatched by instruction set at run time (Highway).
#include "kernels/quantize_ops.h"

#include "kernels/simd/choose_target.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/simd/quantize_ops.cc"
#include <hwy/foreach_target.h>
// Highway wants to come after foreach_target.h.
#include <hwy/highway.h>

#include "kernels/simd/quantize_ops-inl.h"

#if HWY_ONCE
namespace treble::internal {

namespace simd {
HWY_EXPORT(QuantizeRow);
HWY_EXPORT(DequantizeRow);
HWY_EXPORT(QuantizeWeights);

// The tables of functions can only be named from the namespace that exports them.
auto quantize_row() {
  choose_target();
  return &HWY_DYNAMIC_DISPATCH(QuantizeRow);
}

auto dequantize_row() {
  choose_target();
  return &HWY_DYNAMIC_DISPATCH(DequantizeRow);
}

auto quantize_weights() {
  choose_target();
  return &HWY_DYNAMIC_DISPATCH(QuantizeWeights);
}
}  // namespace simd

RowQuantParams quantize_row(std::span<const float> x, std::int32_t qmax, std::span<std::uint8_t> codes) {
  return simd::quantize_row()(x.data(), x.size(), static_cast<float>(qmax), codes.data());
}

void dequantize_row(std::span<const std::int32_t> sums, const RowQuantParams& row, const ColumnQuantParams& columns,
                    bool accumulate, std::span<float> y) {
  simd::dequantize_row()(sums.data(), row, columns, accumulate, y.data());
}

WeightQuantParams quantize_weights(std::span<const float> x, std::int32_t qmax, std::int32_t pair_max,
                                   std::span<std::int8_t> codes) {
  return simd::quantize_weights()(x.data(), x.size(), qmax, pair_max, codes.data());
}

}  // namespace treble::internal
#endif  // HWY_ONCE
