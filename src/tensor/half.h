// float32 to IEEE 754 half; the way back is in tensor/dtype.h.
#pragma once

#include <cstdint>

namespace treble::internal {

/// The bits of the nearest half, ties to even; infinity from 65520 on, NaN for NaN.
std::uint16_t float_to_half(float value) noexcept;

}  // namespace treble::internal
