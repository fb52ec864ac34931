#include "base/npy_header.h"

#include <fmt/format.h>

#include <bit>

#include "base/fail.h"

namespace treble::internal {

static_assert(std::endian::native == std::endian::little, "arrays are written as they lie in memory, npy says '<f4'");

namespace {

/// numpy's name of the element type.
std::string_view descr_of(NpyType type) {
  switch (type) {
    case NpyType::float16: return "<f2";
    case NpyType::float32: return "<f4";
    case NpyType::float64: return "<f8";
    case NpyType::int8: return "|i1";
    case NpyType::uint8: return "|u1";
    case NpyType::int32: return "<i4";
    case NpyType::int64: break;
  }
  return "<i8";
}

std::string shape_text(std::span<const std::int64_t> shape) {
  switch (shape.size()) {
    case 0: return "()";
    case 1: return fmt::format("({},)", shape[0]);
    case 2: return fmt::format("({}, {})", shape[0], shape[1]);
    default: fail(ErrorCode::internal, "npy: {} dimensions, at most 2 are written", shape.size());
  }
}

std::string header(std::string_view descr, const std::string& shape) {
  // numpy requires the header to end in a newline and the data to begin at a multiple of 64 bytes; two counts of 19
  // digits fit in.
  constexpr std::size_t kDictSize = kNpyHeaderSize - kNpyMagic.size() - 2;
  std::string dict = fmt::format("{{'descr': '{}', 'fortran_order': False, 'shape': {}, }}", descr, shape);
  dict.resize(kDictSize - 1, ' ');
  dict += '\n';
  std::string result(kNpyMagic);
  result += static_cast<char>(kDictSize & 0xFFU);
  result += static_cast<char>(kDictSize >> 8U);
  return result + dict;
}

}  // namespace

std::size_t size_of(NpyType type) noexcept {
  switch (type) {
    case NpyType::int8:
    case NpyType::uint8: return 1;
    case NpyType::float16: return 2;
    case NpyType::float32:
    case NpyType::int32: return 4;
    case NpyType::float64:
    case NpyType::int64: break;
  }
  return 8;
}

std::string npy_header(NpyType type, std::span<const std::int64_t> shape) {
  return header(descr_of(type), shape_text(shape));
}

std::string npy_bytes_header(std::size_t size) { return header(fmt::format("|S{}", size), "()"); }

}  // namespace treble::internal
