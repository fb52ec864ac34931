// What tiles compute, against hand-made cases and sums in double: the plain twin everywhere, AMX where it is there.
#include "kernels/simd/plain_tiles.h"

#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <cstdint>
#include <limits>
#include <random>
#include <type_traits>
#include <vector>

#include "kernels/compute_isa.h"
#include "kernels/simd/amx_tiles.h"
#include "kernels/test_support.h"

namespace treble::internal::simd {
namespace {

template <typename T>
class TilesOf : public ::testing::Test {
 protected:
  void SetUp() override {
    if (std::is_same_v<T, AmxTiles> && !cpu_supports(Bfloat16Attention::amx)) GTEST_SKIP() << "no AMX on this CPU";
    T::configure();
  }
  void TearDown() override {
    if (!this->IsSkipped()) T::release();
  }

  /// C += A B of 16 rows of 32 and of 16 rows of pairs.
  static std::vector<float> multiply(const std::vector<float>& a, const std::vector<float>& b, std::vector<float> c) {
    const auto left = test::to_bf16(a);
    const auto right = test::to_bf16(b);
    T::template load<1>(left.data(), 64);
    T::template load<7>(right.data(), 64);
    T::template load<4>(c.data(), 64);
    T::template dot_bfloat16<4, 1, 7>();
    T::template store<4>(c.data(), 64);
    return c;
  }

  /// Of one row of A and one column of B, pair after pair, and of one C.
  static float dot(const std::vector<float>& a, const std::vector<float>& b, float c) {
    std::vector<float> left(512);
    std::vector<float> right(512);
    for (std::size_t i = 0; i < a.size(); ++i) {
      left[5 * 32 + i] = a[i];
      right[i / 2 * 32 + 2 * 9 + i % 2] = b[i];
    }
    std::vector<float> sums(256);
    sums[5 * 16 + 9] = c;
    return multiply(left, right, sums)[5 * 16 + 9];
  }
};

using BothTiles = ::testing::Types<PlainTiles, AmxTiles>;
TYPED_TEST_SUITE(TilesOf, BothTiles);

TYPED_TEST(TilesOf, MultiplyBfloat16) {
  const auto a = test::random_values(512, 1);
  const auto b = test::random_values(512, 2);
  const auto c = test::random_values(256, 3);
  const auto found = this->multiply(a, b, c);
  const auto left = test::to_floats(test::to_bf16(a));
  const auto right = test::to_floats(test::to_bf16(b));
  for (std::size_t m = 0; m < 16; ++m) {
    for (std::size_t n = 0; n < 16; ++n) {
      double sum = c[m * 16 + n];
      for (std::size_t i = 0; i < 32; ++i) sum += double{left[m * 32 + i]} * double{right[i / 2 * 32 + 2 * n + i % 2]};
      EXPECT_NEAR(found[m * 16 + n], sum, 2e-5);
    }
  }
}

TYPED_TEST(TilesOf, SumEvenAndOddElementsApart) {
  // One after the other: 2²⁴ + 1 = 2²⁴, + 1 = 2²⁴, − 2²⁴ = 0. Apart: 2²⁴ and 1 − 2²⁴.
  EXPECT_EQ(this->dot({0x1p24F, 1, 1, -0x1p24F}, {1, 1, 1, 1}, 0), 1.0F);
  // C comes last.
  EXPECT_EQ(this->dot({0x1p24F, -0x1p24F}, {1, 1}, 1), 1.0F);
}

TYPED_TEST(TilesOf, RoundToNearestEven) {
  EXPECT_EQ(this->dot({1, 0}, {1, 0}, 0x1p24F), 0x1p24F);
  EXPECT_EQ(this->dot({1, 0}, {1, 0}, 0x1p24F + 2), 0x1p24F + 4);
}

TYPED_TEST(TilesOf, FlushDenormalNumbers) {
  EXPECT_EQ(this->dot({0x1p-130F, 0}, {0x1p100F, 0}, 0), 0.0F);  // of the inputs
  EXPECT_EQ(this->dot({0x1p-100F, 0}, {0x1p-30F, 0}, 0), 0.0F);  // of the sums
  EXPECT_EQ(this->dot({0, 0}, {0, 0}, 0x1p-130F), 0.0F);         // of C
  EXPECT_EQ(this->dot({0x1p-100F, 0}, {0x1p-26F, 0}, 0), 0x1p-126F);
}

TYPED_TEST(TilesOf, DoNotRoundProducts) {
  // 2¹²⁸, which no float32 holds, is added to −2¹²⁷.
  EXPECT_EQ(this->dot({-0x1p127F, 0, 0x1p64F, 0}, {1, 0, 0x1p64F, 0}, 0), 0x1p127F);
  EXPECT_EQ(this->dot({0x1p64F, 0}, {0x1p64F, 0}, 0), std::numeric_limits<float>::infinity());
}

TYPED_TEST(TilesOf, ShowWhatIsNotANumber) {
  EXPECT_TRUE(std::isnan(this->dot({NAN, 1}, {0, 1}, 0)));
  EXPECT_TRUE(std::isnan(this->dot({std::numeric_limits<float>::infinity(), 1}, {0, 1}, 0)));
  EXPECT_TRUE(std::isnan(this->dot({1, 1}, {1, 1}, NAN)));
}

TYPED_TEST(TilesOf, MultiplyInt8Exactly) {
  std::mt19937 generator(4);
  std::array<std::int8_t, 1024> a = {};
  std::array<std::int8_t, 1024> b = {};
  for (std::int8_t& code : a) code = static_cast<std::int8_t>(generator() % 256);
  for (std::int8_t& code : b) code = static_cast<std::int8_t>(generator() % 256);
  for (std::size_t i = 0; i < 64; ++i) a[i] = b[i / 4 * 64 + i % 4] = -128;
  std::array<std::int32_t, 256> c = {};
  for (std::size_t i = 0; i < c.size(); ++i) c[i] = static_cast<std::int32_t>(i * 1000) - 90000;
  auto found = c;
  TypeParam::template load<2>(a.data(), 64);
  TypeParam::template load<3>(b.data(), 64);
  TypeParam::template load<0>(found.data(), 64);
  TypeParam::template dot_int8<0, 2, 3>();
  TypeParam::template store<0>(found.data(), 64);
  for (std::size_t m = 0; m < 16; ++m) {
    for (std::size_t n = 0; n < 16; ++n) {
      std::int32_t sum = c[m * 16 + n];
      for (std::size_t i = 0; i < 64; ++i) sum += a[m * 64 + i] * b[i / 4 * 64 + 4 * n + i % 4];
      EXPECT_EQ(found[m * 16 + n], sum) << m << ' ' << n;
    }
  }
}

TYPED_TEST(TilesOf, KeepToTheirRowsAndStrides) {
  const auto from = test::random_values(16 * 40, 5);
  std::vector<float> to(16 * 24, 7.0F);
  TypeParam::template load<5>(from.data() + 3, 40 * sizeof(float));
  TypeParam::template store<5>(to.data(), 24 * sizeof(float));
  for (std::size_t i = 0; i < to.size(); ++i) {
    EXPECT_EQ(to[i], i % 24 < 16 ? from[i / 24 * 40 + 3 + i % 24] : 7.0F) << i;
  }
  TypeParam::template zero<5>();
  TypeParam::template store<5>(to.data(), 24 * sizeof(float));
  for (std::size_t i = 0; i < to.size(); ++i) EXPECT_EQ(to[i], i % 24 < 16 ? 0.0F : 7.0F);
}

}  // namespace
}  // namespace treble::internal::simd
