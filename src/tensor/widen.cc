#include "tensor/widen.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>
#include <cstring>

namespace treble::internal {

namespace {

// Elements at a time: the block stays in the first-level cache between the copy and the widening.
constexpr std::size_t kBlock = 2048;

/// half_to_float for whole blocks, without branches. Moved to float32's place, exponent and mantissa make the number
/// 2^-112 times too small (the two biases differ by 127 - 15); multiplying by 2^112 is exact and mends subnormals too.
/// Infinity and NaN have no such neighbour, and get float32's own exponent.
void widen_half(const std::uint16_t* from, float* to, std::size_t count) {
  for (std::size_t i = 0; i < count; ++i) {
    const std::uint32_t bits = from[i];
    const float magnitude = std::bit_cast<float>((bits & 0x7FFFU) << 13) * 0x1p112F;
    const std::uint32_t special = (bits & 0x7C00U) == 0x7C00U ? 0x7F800000U : 0U;
    to[i] = std::bit_cast<float>(std::bit_cast<std::uint32_t>(magnitude) | special | ((bits & 0x8000U) << 16));
  }
}

void widen_bfloat16(const std::uint16_t* from, float* to, std::size_t count) {
  for (std::size_t i = 0; i < count; ++i) to[i] = std::bit_cast<float>(std::uint32_t{from[i]} << 16);
}

void widen_block(DType dtype, const std::byte* from, float* to, std::size_t count) {
  if (dtype == DType::kF64) {
    std::array<double, kBlock> wide;
    std::memcpy(wide.data(), from, count * sizeof(double));
    for (std::size_t i = 0; i < count; ++i) to[i] = static_cast<float>(wide[i]);
    return;
  }
  std::array<std::uint16_t, kBlock> narrow;
  std::memcpy(narrow.data(), from, count * sizeof(std::uint16_t));
  (dtype == DType::kF16 ? widen_half : widen_bfloat16)(narrow.data(), to, count);
}

}  // namespace

bool is_float(DType dtype) noexcept {
  return dtype == DType::kF32 || dtype == DType::kF16 || dtype == DType::kBF16 || dtype == DType::kF64;
}

void widen(DType dtype, const std::byte* from, std::span<float> to) {
  if (dtype == DType::kF32) {
    std::memcpy(to.data(), from, to.size_bytes());
    return;
  }
  for (std::size_t begin = 0; begin < to.size(); begin += kBlock) {
    const std::size_t count = std::min(kBlock, to.size() - begin);
    widen_block(dtype, from + begin * dtype_size(dtype), &to[begin], count);
  }
}

/// On integers, so that the compiler makes vectors of it.
bool has_no_nan_or_infinity(std::span<const float> values) {
  constexpr std::uint32_t kExponent = 0x7F800000U;
  std::uint32_t bad = 0;
  for (const float value : values) {
    bad |= static_cast<std::uint32_t>((std::bit_cast<std::uint32_t>(value) & kExponent) == kExponent);
  }
  return bad == 0;
}

}  // namespace treble::internal
