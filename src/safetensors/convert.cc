#include <algorithm>
#include <array>
#include <bit>
#include <cstring>

#include "base/fail_about.h"
#include "safetensors/message_text.h"
#include "safetensors/safetensors.h"
#include "safetensors/tensor_revision.h"

namespace treble::internal {

namespace {

// Elements at a time: the block stays in the first-level cache between the copy, the widening and the check.
constexpr std::size_t kBlock = 2048;

/// True when no element is a NaN or an infinity. Integers throughout, so that the compiler makes vectors of it.
bool all_finite(const float* values, std::size_t count) {
  std::uint32_t bad = 0;
  for (std::size_t i = 0; i < count; ++i) {
    bad |= static_cast<std::uint32_t>((std::bit_cast<std::uint32_t>(values[i]) & 0x7F800000U) == 0x7F800000U);
  }
  return bad == 0;
}

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

/// Widens `count` ≤ kBlock elements. The source has any alignment: the format promises none.
void widen_block(DType dtype, const std::byte* from, float* to, std::size_t count) {
  if (dtype == DType::kF32) {
    std::memcpy(to, from, count * sizeof(float));
    return;
  }
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

[[noreturn]] void fail_non_finite(const StoredTensor& tensor, std::string_view name, std::span<const float> out,
                                  std::size_t begin) {
  std::size_t index = begin;
  while (all_finite(&out[index], 1)) ++index;
  fail_file(tensor.file, ErrorCode::invalid_file,
            "tensor \"{}\": element {} of {} is {} as float32; the weights are damaged", for_message(name), index,
            out.size(), out[index]);
}

void copy_stored(const StoredTensor& tensor, std::string_view name, std::span<float> out) {
  const DType dtype = tensor.dtype;
  if (dtype != DType::kF32 && dtype != DType::kF16 && dtype != DType::kBF16 && dtype != DType::kF64) {
    fail_file(tensor.file, ErrorCode::unsupported, "tensor \"{}\" has dtype {}; weights must be F32, F16, BF16 or F64",
              for_message(name), dtype_name(dtype));
  }
  const std::size_t size = dtype_size(dtype);
  if (static_cast<std::int64_t>(out.size()) != tensor.num_elements() || tensor.bytes.size() != out.size() * size) {
    fail_file(tensor.file, ErrorCode::internal, "tensor \"{}\" has {} elements in {} bytes, room was made for {}",
              for_message(name), tensor.num_elements(), tensor.bytes.size(), out.size());
  }
  for (std::size_t begin = 0; begin < out.size(); begin += kBlock) {
    const std::size_t count = std::min(kBlock, out.size() - begin);
    widen_block(dtype, tensor.bytes.data() + begin * size, &out[begin], count);
    if (!all_finite(&out[begin], count)) fail_non_finite(tensor, name, out, begin);
  }
}

}  // namespace

void copy_as_float(const StoredTensor& tensor, std::string_view name, std::span<float> out) {
  if (tensor.revision == nullptr) return copy_stored(tensor, name, out);
  const TensorRevision& revision = *tensor.revision;
  if (revision.replacement) {
    copy_as_float(revision.replacement->tensor, revision.replacement->name, out);
  } else {
    copy_stored(tensor, name, out);
  }
  add_products(revision, out);
  if (!all_finite(out.data(), out.size())) {
    fail_file(tensor.file, ErrorCode::invalid_file,
              "tensor \"{}\" has a NaN or an infinity once its adapter is added; the adapter belongs to another model, "
              "or is damaged",
              for_message(name));
  }
}

}  // namespace treble::internal
