// The head of numpy's array files.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace treble::internal {

/// Element types that Treble writes, little-endian.
enum class NpyType { float16, float32, float64, int8, uint8, int32, int64 };

/// Bytes of an element.
std::size_t size_of(NpyType type) noexcept;

/// What every npy file of format 1.0 begins with.
inline constexpr std::string_view kNpyMagic("\x93NUMPY\x01\x00", 8);

/// Of arrays of up to two dimensions (none: a scalar), whatever their sizes: so an array can grow in place.
inline constexpr std::size_t kNpyHeaderSize = 128;

/// The header of an array in C order, npy format 1.0, kNpyHeaderSize bytes.
std::string npy_header(NpyType type, std::span<const std::int64_t> shape);

/// The header of a scalar of bytes (numpy's dtype S).
std::string npy_bytes_header(std::size_t size);

}  // namespace treble::internal
