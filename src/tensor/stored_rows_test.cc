#include "tensor/stored_rows.h"

#include <array>
#include <cmath>
#include <cstring>
#include <limits>
#include <random>
#include <vector>

#include <gtest/gtest.h>

#include "tensor/half.h"

namespace treble::internal {
namespace {

/// The bytes of `values` as `dtype`, one byte off any alignment.
template <typename T>
std::vector<std::byte> unaligned(const std::vector<T>& values) {
  std::vector<std::byte> bytes(values.size() * sizeof(T) + 1);
  std::memcpy(bytes.data() + 1, values.data(), values.size() * sizeof(T));
  return bytes;
}

std::vector<std::uint16_t> every_pattern() {
  std::vector<std::uint16_t> bits(65536);
  for (std::size_t i = 0; i < bits.size(); ++i) bits[i] = static_cast<std::uint16_t>(i);
  return bits;
}

bool same(float left, float right) { return left == right || (std::isnan(left) && std::isnan(right)); }

TEST(StoredRows, WidensEveryHalfAndBfloat16AsTheScalarFunctions) {
  const auto bits = every_pattern();
  const auto bytes = unaligned(bits);
  for (const DType dtype : {DType::kF16, DType::kBF16}) {
    const StoredRows rows(bytes.data() + 1, dtype, 16, 4096);
    std::vector<float> row(4096);
    for (std::int64_t r = 0; r < rows.rows(); ++r) {
      rows.read(r, row);
      for (std::size_t i = 0; i < row.size(); ++i) {
        const std::uint16_t pattern = bits[static_cast<std::size_t>(r) * row.size() + i];
        const float expected = dtype == DType::kF16 ? half_to_float(pattern) : bfloat16_to_float(pattern);
        ASSERT_TRUE(same(row[i], expected)) << dtype_name(dtype) << " " << pattern << ": " << row[i];
      }
    }
  }
}

TEST(StoredRows, RowsAndTheWholeMatrixAgreeForEveryType) {
  std::mt19937 random(7);
  std::normal_distribution<double> normal;
  constexpr std::int64_t kRows = 37;
  constexpr std::int64_t kCols = 129;
  std::vector<double> wide(kRows * kCols);
  for (double& value : wide) value = normal(random);
  const std::vector<float> floats(wide.begin(), wide.end());
  std::vector<std::uint16_t> halves(floats.size());
  for (std::size_t i = 0; i < floats.size(); ++i) halves[i] = float_to_half(floats[i]);
  const std::array stored = {std::pair(DType::kF64, unaligned(wide)), std::pair(DType::kF32, unaligned(floats)),
                             std::pair(DType::kF16, unaligned(halves))};
  for (const auto& [dtype, bytes] : stored) {
    const StoredRows rows(bytes.data() + 1, dtype, kRows, kCols);
    AlignedBuffer<float> owned;
    const ConstMatrixView whole = rows.as_floats(owned);
    ASSERT_EQ(whole.rows, kRows);
    ASSERT_EQ(whole.cols, kCols);
    std::vector<float> row(kCols);
    for (std::int64_t r = 0; r < kRows; ++r) {
      rows.read(r, row);
      EXPECT_EQ(std::memcmp(row.data(), whole.row(r), row.size() * sizeof(float)), 0) << dtype_name(dtype);
      const float expected = dtype == DType::kF16 ? half_to_float(halves[static_cast<std::size_t>(r * kCols)])
                                                  : floats[static_cast<std::size_t>(r * kCols)];
      EXPECT_EQ(row.front(), expected) << dtype_name(dtype);
    }
  }
}

TEST(StoredRows, AlignedFloatsAreUsedInPlace) {
  const std::vector<float> values = {1, 2, 3, 4, 5, 6};
  const StoredRows rows(ConstMatrixView(values.data(), 3, 2));
  AlignedBuffer<float> owned;
  EXPECT_EQ(rows.as_floats(owned).data, values.data());
  EXPECT_EQ(owned.size(), 0U);
}

TEST(Widen, FindsNanAndInfinityWhereverTheyStand) {
  std::vector<float> values(70, 1.5F);
  EXPECT_TRUE(has_no_nan_or_infinity(values));
  values[0] = std::numeric_limits<float>::max();
  values[1] = -std::numeric_limits<float>::denorm_min();
  EXPECT_TRUE(has_no_nan_or_infinity(values));
  for (const float bad : {std::numeric_limits<float>::infinity(), -std::numeric_limits<float>::infinity(),
                          std::numeric_limits<float>::quiet_NaN()}) {
    for (const std::size_t place : {std::size_t{0}, std::size_t{33}, values.size() - 1}) {
      auto damaged = values;
      damaged[place] = bad;
      EXPECT_FALSE(has_no_nan_or_infinity(damaged)) << bad << " at " << place;
    }
  }
}

}  // namespace
}  // namespace treble::internal
