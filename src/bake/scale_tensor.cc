#include "bake/scale_tensor.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>

#include "base/fail_about.h"
#include "tensor/half.h"
#include "tensor/widen.h"

namespace treble::internal {

namespace {

/// A binary floating-point format: bits behind the point, exponents of normal numbers.
struct Format {
  int fraction_bits;
  int min_exponent;
  int max_exponent;
};

Format format_of(DType dtype) {
  switch (dtype) {
    case DType::kF16: return {10, -14, 15};
    case DType::kBF16: return {7, -126, 127};
    case DType::kF32: return {23, -126, 127};
    default: return {52, -1022, 1023};
  }
}

template <typename T>
T read_as(const std::byte* from) {
  T value;
  std::memcpy(&value, from, sizeof(T));
  return value;
}

double read_element(DType dtype, const std::byte* from) {
  switch (dtype) {
    case DType::kF16: return double{half_to_float(read_as<std::uint16_t>(from))};
    case DType::kBF16: return double{bfloat16_to_float(read_as<std::uint16_t>(from))};
    case DType::kF32: return double{read_as<float>(from)};
    default: return read_as<double>(from);
  }
}

/// The nearest number of the format, ties to even: in one step from double, since by way of float32 a tie could be
/// rounded twice.
double round_to(const Format& format, double value) {
  if (value == 0) return value;
  const int exponent = std::max(std::ilogb(value), format.min_exponent);
  const int unit = exponent - format.fraction_bits;
  // Two steps: for F64's smallest numbers 2^-unit alone would be infinite.
  return std::ldexp(std::nearbyint(std::ldexp(value, -unit)), unit);
}

template <typename T>
void write_as(T value, std::byte* to) {
  std::memcpy(to, &value, sizeof(T));
}

/// `value` is a number of the format.
void write_element(DType dtype, double value, std::byte* to) {
  const auto narrow = static_cast<float>(value);
  switch (dtype) {
    case DType::kF16: write_as(float_to_half(narrow), to); break;
    case DType::kBF16: write_as(static_cast<std::uint16_t>(std::bit_cast<std::uint32_t>(narrow) >> 16), to); break;
    case DType::kF32: write_as(narrow, to); break;
    default: write_as(value, to); break;
  }
}

void check_tensor(const StoredTensor& tensor, const TensorChange& change) {
  if (tensor.shape != change.shape) {
    fail_file(tensor.file, ErrorCode::invalid_file, "tensor {} is [{}], config.json asks for [{}]", change.name,
              fmt::join(tensor.shape, ", "), fmt::join(change.shape, ", "));
  }
  if (!is_float(tensor.dtype)) {
    fail_file(tensor.file, ErrorCode::invalid_file,
              "tensor {} has dtype {}; a temperature can be baked into F32, F16, BF16 or F64", change.name,
              dtype_name(tensor.dtype));
  }
}

/// Rounds `product` and keeps account of what that costs.
double rounded(const Format& format, double product, Rounding& rounding) {
  const double stored = round_to(format, product);
  if (stored != product) {
    const double size = std::max(std::abs(product), std::ldexp(1.0, format.min_exponent));
    rounding.exact = false;
    rounding.max_relative_error = std::max(rounding.max_relative_error, std::abs(stored - product) / size);
  }
  return stored;
}

/// What element (row, col) becomes, before it is rounded.
double product_of(const TensorChange& change, std::size_t row, std::size_t col, double value) {
  if (row >= change.rows.size()) return value;
  const double factor = change.rows[row] * (change.cols.empty() ? 1.0 : change.cols[col]);
  if (factor == 1.0) return value;
  return change.plus_one ? factor * (1 + value) - 1 : factor * value;
}

[[noreturn]] void fail_range(const StoredTensor& tensor, const TensorChange& change, DType dtype, double product) {
  fail_file(tensor.file, ErrorCode::invalid_argument, "tensor {}: a value would be {:g}, beyond the range of {}; {}",
            change.name, product, dtype_name(dtype),
            dtype == DType::kF16 ? "bake with BakeOptions::dtype float32" : "this temperature is too small");
}

}  // namespace

std::vector<std::byte> scale_tensor(const StoredTensor& tensor, const TensorChange& change, DType dtype,
                                    Rounding& rounding) {
  check_tensor(tensor, change);
  const Format format = format_of(dtype);
  const double max_finite = std::ldexp(2.0 - std::ldexp(1.0, -format.fraction_bits), format.max_exponent);
  const std::size_t from_size = dtype_size(tensor.dtype);
  const std::size_t to_size = dtype_size(dtype);
  const auto count = static_cast<std::size_t>(tensor.num_elements());
  const std::size_t width = count / static_cast<std::size_t>(tensor.shape.at(0));
  std::vector<std::byte> out(count * to_size);
  for (std::size_t i = 0; i < count; ++i) {
    const double value = read_element(tensor.dtype, tensor.bytes.data() + i * from_size);
    if (!std::isfinite(value)) {
      fail_file(tensor.file, ErrorCode::invalid_file, "tensor {}: element {} is {}; the weights are damaged",
                change.name, i, value);
    }
    const double product = product_of(change, i / width, i % width, value);
    const double stored = rounded(format, product, rounding);
    if (std::abs(stored) > max_finite) fail_range(tensor, change, dtype, product);
    write_element(dtype, stored, out.data() + i * to_size);
  }
  return out;
}

std::vector<std::byte> merge_tensor(const StoredTensor& tensor, const TensorChange& change, DType dtype,
                                    Rounding& rounding) {
  std::vector<float> merged(static_cast<std::size_t>(tensor.num_elements()));
  copy_as_float(tensor, change.name, merged);
  StoredTensor values{.dtype = DType::kF32, .shape = tensor.shape, .bytes = {}, .file = tensor.file};
  values.bytes = std::as_bytes(std::span(merged));
  return scale_tensor(values, change, dtype, rounding);
}

bool is_widened_to_float32(DType dtype) noexcept { return is_float(dtype) && dtype != DType::kF32; }

std::vector<std::byte> to_float32(const StoredTensor& tensor) {
  const std::size_t from_size = dtype_size(tensor.dtype);
  const auto count = static_cast<std::size_t>(tensor.num_elements());
  std::vector<std::byte> out(count * sizeof(float));
  for (std::size_t i = 0; i < count; ++i) {
    const double value = read_element(tensor.dtype, tensor.bytes.data() + i * from_size);
    write_as(static_cast<float>(value), out.data() + i * sizeof(float));
  }
  return out;
}

}  // namespace treble::internal
