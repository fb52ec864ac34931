// Element types of stored tensors.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace treble::internal {

/// Names and meanings are those of the safetensors format.
enum class DType : std::uint8_t { kBool, kU8, kI8, kI16, kU16, kF16, kBF16, kI32, kU32, kF32, kF64, kI64, kU64 };

/// Bytes an element takes.
std::size_t dtype_size(DType dtype) noexcept;

/// "F32", "BF16", …
std::string_view dtype_name(DType dtype) noexcept;

/// The reverse; nothing for a name that is not in the list.
std::optional<DType> dtype_from_name(std::string_view name) noexcept;

/// IEEE 754 half and bfloat16 bits to float32 (exact), NaN and infinities included.
float half_to_float(std::uint16_t bits) noexcept;
float bfloat16_to_float(std::uint16_t bits) noexcept;

}  // namespace treble::internal
