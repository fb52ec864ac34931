// Stored numbers as float32.
#pragma once

#include <cstddef>
#include <span>

#include "tensor/dtype.h"

namespace treble::internal {

/// Whether `widen` knows it: F32, F16, BF16, F64.
bool is_float(DType dtype) noexcept;

/// to.size() elements; `from` has any alignment. Exact, but for F64, which is rounded.
void widen(DType dtype, const std::byte* from, std::span<float> to);

/// True when no element is a NaN or an infinity.
bool has_no_nan_or_infinity(std::span<const float> values);

}  // namespace treble::internal
