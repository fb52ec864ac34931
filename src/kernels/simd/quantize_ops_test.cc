#include "kernels/quantize_ops.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <numeric>
#include <vector>

#include "kernels/hadamard.h"
#include "kernels/ldlq_ops.h"
#include "kernels/simd/on_every_target.h"
#include "kernels/test_support.h"

namespace treble::internal {
namespace {

TEST(QuantizeRow, LosesAtMostHalfAStep) {
  test::on_every_target([] {
    for (const std::int64_t count : {1, 2, 7, 8, 33, 384}) {
      for (const std::int32_t qmax : {255, 180}) {
        const auto x = test::random_values(count, 5);
        std::vector<std::uint8_t> codes(x.size());
        const RowQuantParams row = quantize_row(x, qmax, codes);
        for (std::size_t i = 0; i < x.size(); ++i) {
          EXPECT_LE(codes[i], qmax);
          EXPECT_NEAR(row.offset + row.scale * static_cast<float>(codes[i]), x[i], 0.5001 * row.scale + 1e-6);
        }
        EXPECT_NEAR(row.total, std::accumulate(x.begin(), x.end(), 0.0), 1e-4);
      }
    }
  });
}

TEST(QuantizeRow, ConstantsAreExactAndNonFiniteShows) {
  test::on_every_target([] {
    std::vector<std::uint8_t> codes(20);
    const RowQuantParams row = quantize_row(std::vector<float>(20, 3.5F), 255, codes);
    EXPECT_EQ(row.offset + row.scale * codes[7], 3.5F);
    for (const float bad : {std::numeric_limits<float>::quiet_NaN(), HUGE_VALF, -HUGE_VALF}) {
      for (const std::size_t place : {0, 11, 19}) {
        auto x = test::random_values(20, 6);
        x[place] = bad;
        EXPECT_TRUE(std::isnan(quantize_row(x, 255, codes).offset));
      }
    }
  });
}

/// H[i][j] = (−1)^popcount(i & j)
std::vector<float> naive_rotation(std::size_t block, const std::vector<float>& x) {
  std::vector<float> y(x.size());
  for (std::size_t i = 0; i < x.size(); ++i) {
    double sum = 0;
    for (std::size_t j = 0; j < block; ++j) {
      const bool minus = std::popcount((i % block) & j) % 2 == 1;
      sum += (minus ? -1.0 : 1.0) * static_cast<double>(x[i / block * block + j]);
    }
    y[i] = static_cast<float>(sum);
  }
  return y;
}

TEST(HadamardTransform, EqualsItsNaiveTwin) {
  test::on_every_target([] {
    for (const std::size_t block : {1, 2, 4, 8, 16, 32, 64, 128, 512}) {
      const auto x = test::random_values(static_cast<std::int64_t>(3 * block), 7);
      auto rotated = x;
      hadamard_transform(static_cast<std::int64_t>(block), rotated, rotated);
      const auto wanted = naive_rotation(block, x);
      for (std::size_t i = 0; i < x.size(); ++i) EXPECT_NEAR(rotated[i], wanted[i], 1e-4) << block << ": " << i;
    }
  });
}

TEST(QuantizeWeights, KeepsToItsCodesAndPairs) {
  const auto x = test::random_values(384, 8);
  std::vector<std::int8_t> codes(x.size());
  const auto [scale, offset] = quantize_weights(x, 105, 182, codes);
  EXPECT_EQ(offset, 0.0F);
  for (std::size_t i = 0; i < x.size(); i += 2) {
    EXPECT_LE(std::abs(codes[i]), 105);
    EXPECT_LE(std::abs(codes[i] + codes[i + 1]), 182);
    // Pairs within the limit are rounded to the nearest.
    if (std::abs(codes[i] + codes[i + 1]) < 182) {
      EXPECT_NEAR(scale * codes[i], x[i], 0.5001 * scale);
    }
  }
  EXPECT_EQ(quantize_weights(std::vector<float>(8, 0.0F), 105, 182, std::span(codes).first(8)).scale, 0.0F);
  EXPECT_EQ(codes[3], 0);
}

TEST(QuantizeWeights, CoverTheirOwnRangeWherePairsAreFree) {
  auto x = test::random_values(384, 8);
  for (float& value : x) value += 3.0F;
  std::vector<std::int8_t> codes(x.size());
  const auto [scale, offset] = quantize_weights(x, 127, 254, codes);
  const auto [min, max] = std::minmax_element(x.begin(), x.end());
  EXPECT_NEAR(scale, (*max - *min) / 254, 1e-6);
  for (std::size_t i = 0; i < x.size(); ++i) EXPECT_NEAR(offset + scale * codes[i], x[i], 0.5001 * scale + 1e-6);
  const auto constant = quantize_weights(std::vector<float>(8, 1.5F), 127, 254, std::span(codes).first(8));
  EXPECT_EQ(constant.scale, 0.0F);
  EXPECT_EQ(constant.offset, 1.5F);
  EXPECT_EQ(codes[3], 0);
}

TEST(QuantizeWeights, NonFiniteShows) {
  for (const float bad : {std::numeric_limits<float>::quiet_NaN(), HUGE_VALF, -HUGE_VALF}) {
    for (const std::size_t place : {0, 200, 383}) {
      for (const std::int32_t pair : {182, 254}) {
        auto x = test::random_values(384, 8);
        x[place] = bad;
        std::vector<std::int8_t> codes(x.size());
        EXPECT_TRUE(std::isnan(quantize_weights(x, 105, pair, codes).offset)) << place;
      }
    }
  }
}

TEST(DequantizeRow, EqualsItsFormula) {
  test::on_every_target([] {
    const std::vector<std::int32_t> sums = {0, 5, -7, 100000, 3, 2, 1, -1, 9, 10, 11};
    const auto scale = test::random_values(11, 9);
    const auto sum = test::random_values(11, 10);
    const auto bias = test::random_values(11, 11);
    const auto offset = test::random_values(11, 13);
    for (const bool accumulate : {false, true}) {
      auto y = test::random_values(11, 12);
      const auto before = y;
      dequantize_row(sums, {0.25F, -0.5F, 3.0F}, {scale, offset, sum, bias}, accumulate, y);
      for (std::size_t i = 0; i < y.size(); ++i) {
        const double wanted = 0.25 * scale[i] * sums[i] - 0.5 * sum[i] + 3.0 * offset[i] + bias[i];
        EXPECT_NEAR(y[i], wanted + (accumulate ? before[i] : 0.0F), 1e-5 * (1 + std::abs(wanted)));
      }
    }
  });
}

TEST(Moments, EqualTheirDefinition) {
  for (const std::int64_t n : {1, 7, 33, 64}) {
    constexpr std::int64_t kRows = 5;
    const auto x = test::random_values(kRows * (n + 3), 1);
    const auto weights = test::random_values(kRows, 2);
    auto scaled = x;
    for (std::size_t i = 0; i < x.size(); ++i) scaled[i] *= weights[i / static_cast<std::size_t>(n + 3)];
    const auto before = test::random_values(n * (n + 1), 3);
    test::on_every_target([&] {
      auto moments = before;
      add_moments(ConstMatrixView(x.data(), kRows, n, n + 3), ConstMatrixView(scaled.data(), kRows, n, n + 3),
                  MatrixView(moments.data(), n, n, n + 1));
      for (std::int64_t i = 0; i < n; ++i) {
        EXPECT_EQ(moments[static_cast<std::size_t>(i * (n + 1) + n)],
                  before[static_cast<std::size_t>(i * (n + 1) + n)]);
        for (std::int64_t j = 0; j <= i; ++j) {
          const auto at = static_cast<std::size_t>(i * (n + 1) + j);
          double wanted = before[at];
          for (std::int64_t row = 0; row < kRows; ++row) {
            const float* numbers = x.data() + row * (n + 3);
            wanted += double{weights[static_cast<std::size_t>(row)]} * double{numbers[i]} * double{numbers[j]};
          }
          EXPECT_NEAR(moments[at], wanted, 1e-5);
        }
      }
    });
  }
}

TEST(LdlqRound, HandsErrorsOn) {
  for (const std::size_t n : {std::size_t{1}, std::size_t{5}, LdlqTile::kInputs}) {
    const auto feedback = test::random_values(static_cast<std::int64_t>(n * (n + 2)), 1, 0.2F);
    const auto numbers = test::random_values(static_cast<std::int64_t>(n * LdlqTile::kOutputs), 2, 3.0F);
    test::on_every_target([&] {
      LdlqTile tile = {};
      for (std::size_t i = 0; i < n; ++i) {
        std::copy_n(numbers.data() + i * LdlqTile::kOutputs, LdlqTile::kOutputs, tile.weights[i].data());
      }
      const auto size = static_cast<std::int64_t>(n);
      ldlq_round(ConstMatrixView(feedback.data(), size, size, size + 2), 4, tile);
      for (std::size_t o = 0; o < LdlqTile::kOutputs; ++o) {
        for (std::size_t i = 0; i < n; ++i) {
          double wanted = tile.weights[i][o];
          for (std::size_t j = 0; j < i; ++j) {
            wanted += (double{tile.weights[j][o]} - double{tile.codes[j][o]}) * double{feedback[j * (n + 2) + i]};
          }
          const double code = tile.codes[i][o];
          EXPECT_EQ(code, std::round(code));
          EXPECT_LE(std::abs(code), 4);
          EXPECT_LE(std::abs(code - std::clamp(wanted, -4.0, 4.0)), 0.5001);
        }
      }
    });
  }
}

TEST(Bfloat16, RoundsToNearestEvenAndKeepsWhatIsNotANumber) {
  test::on_every_target([] {
    const std::vector<float> x = {1.0F,
                                  std::bit_cast<float>(0x3F808000U),
                                  std::bit_cast<float>(0x3F818000U),
                                  std::bit_cast<float>(0x3F808001U),
                                  -HUGE_VALF,
                                  std::bit_cast<float>(0x7FFFFFFFU),
                                  std::bit_cast<float>(0x7F800001U),
                                  -0.0F,
                                  3.0e38F};
    const std::vector<std::uint16_t> wanted = {0x3F80, 0x3F80, 0x3F82, 0x3F81, 0xFF80, 0x7FFF, 0x7FC0, 0x8000, 0x7F62};
    std::vector<std::uint16_t> bf16(x.size());
    std::vector<float> rounded(x.size());
    to_bfloat16(x, bf16);
    round_to_bfloat16(x, rounded);
    EXPECT_EQ(bf16, wanted);
    std::vector<float> widened(x.size());
    from_bfloat16(bf16, widened);
    for (std::size_t i = 0; i < x.size(); ++i) {
      EXPECT_EQ(std::bit_cast<std::uint32_t>(rounded[i]), std::uint32_t{wanted[i]} << 16);
      EXPECT_EQ(std::bit_cast<std::uint32_t>(widened[i]), std::uint32_t{wanted[i]} << 16);
    }
  });
}

}  // namespace
}  // namespace treble::internal
