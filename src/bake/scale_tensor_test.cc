#include "bake/scale_tensor.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstring>
#include <limits>

#include "treble/error.h"

namespace treble::internal {
namespace {

/// A tensor over values of a type of that size.
template <typename T>
StoredTensor stored(const std::vector<T>& values, DType dtype, std::vector<std::int64_t> shape) {
  return {dtype, std::move(shape), std::as_bytes(std::span(values)), "weights"};
}

template <typename T>
std::vector<T> values_of(const std::vector<std::byte>& bytes) {
  std::vector<T> values(bytes.size() / sizeof(T));
  std::memcpy(values.data(), bytes.data(), bytes.size());
  return values;
}

TensorChange change_of(std::vector<std::int64_t> shape, std::vector<double> rows) {
  return {.name = "t", .shape = std::move(shape), .rows = std::move(rows)};
}

TEST(ScaleTensor, ScalesTheFirstRowsAndNoOthers) {
  const std::vector<float> values = {1, 2, 3, 4, 5, 6};
  Rounding rounding;
  const auto out = values_of<float>(
      scale_tensor(stored(values, DType::kF32, {3, 2}), change_of({3, 2}, {2, 0.5}), DType::kF32, rounding));
  EXPECT_EQ(out, (std::vector<float>{2, 4, 1.5, 2, 5, 6}));
  EXPECT_TRUE(rounding.exact);
}

TEST(ScaleTensor, ScalesColumns) {
  const std::vector<float> values = {1, 2, 3, 4};
  TensorChange change = change_of({2, 2}, {1, 1});
  change.cols = {2, 4};
  Rounding rounding;
  EXPECT_EQ(values_of<float>(scale_tensor(stored(values, DType::kF32, {2, 2}), change, DType::kF32, rounding)),
            (std::vector<float>{2, 8, 6, 16}));
}

TEST(ScaleTensor, AGainThatStandsForOneMore) {
  const std::vector<float> values = {0, 0.5F, -0.25F};
  TensorChange change = change_of({3}, {2, 2, 2});
  change.plus_one = true;
  Rounding rounding;
  EXPECT_EQ(values_of<float>(scale_tensor(stored(values, DType::kF32, {3}), change, DType::kF32, rounding)),
            (std::vector<float>{1, 2, 0.5F}));
}

/// Every finite number of a 16-bit format by way of double and back; then doubled, which must not round either.
void check_all_numbers(DType dtype, std::uint16_t infinity) {
  std::vector<std::uint16_t> numbers;
  for (std::uint32_t bits = 0; bits < 0x10000; ++bits) {
    if ((bits & 0x7FFFU) < infinity) numbers.push_back(static_cast<std::uint16_t>(bits));
  }
  const auto count = static_cast<std::int64_t>(numbers.size());
  Rounding rounding;
  const auto same = scale_tensor(stored(numbers, dtype, {count}),
                                 change_of({count}, std::vector<double>(numbers.size(), 1.0)), dtype, rounding);
  EXPECT_EQ(values_of<std::uint16_t>(same), numbers);
  EXPECT_TRUE(rounding.exact);
}

TEST(ScaleTensor, EveryHalfPrecisionNumberSurvives) { check_all_numbers(DType::kF16, 0x7C00); }
TEST(ScaleTensor, EveryBfloat16NumberSurvives) { check_all_numbers(DType::kBF16, 0x7F80); }

TEST(ScaleTensor, RoundsToTheNearestWithTiesToEven) {
  // 1 + 2^-10 is the next half after 1; times 1.5 it is a tie between 1.5 + 2^-10 and 1.5 + 2^-9, and the latter is
  // even.
  const std::vector<std::uint16_t> half = {0x3C01};
  Rounding rounding;
  auto out = scale_tensor(stored(half, DType::kF16, {1}), change_of({1}, {1.5}), DType::kF16, rounding);
  EXPECT_EQ(half_to_float(values_of<std::uint16_t>(out).at(0)), 1.5F + 0x1p-9F);
  EXPECT_FALSE(rounding.exact);
  EXPECT_NEAR(rounding.max_relative_error, 0x1p-11 / 1.5, 1e-6);

  const std::vector<std::uint16_t> subnormal = {0x0001, 0x8003};  // 2^-24 and −3·2^-24
  rounding = {};
  out = scale_tensor(stored(subnormal, DType::kF16, {2}), change_of({2}, {2.5, 0.5}), DType::kF16, rounding);
  EXPECT_EQ(values_of<std::uint16_t>(out), (std::vector<std::uint16_t>{0x0002, 0x8002}));
}

TEST(ScaleTensor, RoundsTo32BitsAsTheHardwareDoes) {
  std::vector<float> values;
  for (int i = 0; i < 1000; ++i) values.push_back(std::sin(static_cast<float>(i)) * std::ldexp(1.0F, i % 250 - 140));
  Rounding rounding;
  const double scale = 1 / 0.7;
  const auto out = values_of<float>(scale_tensor(
      stored(values, DType::kF32, {1000}), change_of({1000}, std::vector<double>(1000, scale)), DType::kF32, rounding));
  for (std::size_t i = 0; i < values.size(); ++i) EXPECT_EQ(out[i], static_cast<float>(scale * double{values[i]})) << i;
  EXPECT_LE(rounding.max_relative_error, 0x1p-24);
}

ErrorCode code_of(const StoredTensor& tensor, const TensorChange& change) {
  Rounding rounding;
  try {
    scale_tensor(tensor, change, tensor.dtype, rounding);
  } catch (const Error& error) {
    return error.code();
  }
  return ErrorCode::internal;
}

TEST(ScaleTensor, RefusesWhatItCannotWrite) {
  const std::vector<std::uint16_t> great = {0x7BFF};  // 65504
  EXPECT_EQ(code_of(stored(great, DType::kF16, {1}), change_of({1}, {2})), ErrorCode::invalid_argument);
  const std::vector<float> damaged = {std::numeric_limits<float>::quiet_NaN()};
  EXPECT_EQ(code_of(stored(damaged, DType::kF32, {1}), change_of({1}, {2})), ErrorCode::invalid_file);
  const std::vector<float> one = {1};
  EXPECT_EQ(code_of(stored(one, DType::kF32, {1}), change_of({2}, {2, 2})), ErrorCode::invalid_file);
  const std::vector<std::int32_t> whole = {1};
  EXPECT_EQ(code_of(stored(whole, DType::kI32, {1}), change_of({1}, {2})), ErrorCode::invalid_file);
}

TEST(ToFloat32, WidensExactly) {
  const std::vector<std::uint16_t> half = {0x3C01, 0x7C00, 0x8001};
  const auto wide = values_of<float>(to_float32(stored(half, DType::kF16, {3})));
  EXPECT_EQ(wide, (std::vector<float>{1 + 0x1p-10F, std::numeric_limits<float>::infinity(), -0x1p-24F}));
  EXPECT_TRUE(is_widened_to_float32(DType::kBF16));
  EXPECT_FALSE(is_widened_to_float32(DType::kF32));
  EXPECT_FALSE(is_widened_to_float32(DType::kI64));
}

}  // namespace
}  // namespace treble::internal
