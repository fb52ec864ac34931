#include "kernels/simd/int8_product.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <vector>

#include "kernels/onednn/product.h"
#include "kernels/test_support.h"

namespace treble::simd {

namespace {

/// Codes of the whole permitted range, greatest pairs included.
struct Codes {
  Codes(std::int64_t rows_in, std::int64_t in_in, std::int64_t out_in) : rows(rows_in), in(in_in), out(out_in) {
    // That of CPUs without VNNI, whatever this one is.
    const onednn::Int8Range range{180, 105, 182};
    for (std::int64_t i = 0; i < rows * in; ++i) {
      x.push_back(static_cast<std::uint8_t>(i % 3 == 0 ? range.source : (i * 37) % (range.source + 1)));
    }
    for (std::int64_t i = 0; i < out * in; i += 2) {
      const std::int32_t sign = i / 2 % 5 < 3 ? 1 : -1;
      const auto first = static_cast<std::int32_t>(i % 7 == 0 ? range.weight : (i * 11) % (range.weight + 1));
      weight.push_back(static_cast<std::int8_t>(sign * first));
      weight.push_back(static_cast<std::int8_t>(sign * std::min(range.weight, range.pair - first)));
    }
  }

  std::int64_t sum(std::int64_t row, std::int64_t output) const {
    std::int64_t total = 0;
    for (std::int64_t i = 0; i < in; ++i) {
      total += x[static_cast<std::size_t>(row * in + i)] * weight[static_cast<std::size_t>(output * in + i)];
    }
    return total;
  }

  std::int64_t rows;
  std::int64_t in;
  std::int64_t out;
  std::vector<std::uint8_t> x;
  std::vector<std::int8_t> weight;
};

/// Outputs from `begin` on, held against sums of whole numbers.
void expect_exact(const Codes& codes, std::int64_t begin, bool accumulate) {
  const Int8Product product(codes.in, codes.out, codes.weight);
  const std::int64_t width = codes.out - begin;
  const auto columns = static_cast<std::size_t>(width);
  const std::vector<float> scale(columns, 0.5F);
  const std::vector<float> sum(columns, 3.0F);
  std::vector<float> bias;
  for (std::size_t i = 0; i < columns; ++i) bias.push_back(static_cast<float>(i));
  std::vector<RowCodes> rows;
  for (std::int64_t row = 0; row < codes.rows; ++row) rows.push_back({2.0F, static_cast<float>(row)});
  // A column more than is written, which must stay as it is.
  std::vector<float> y(static_cast<std::size_t>(codes.rows * (width + 1)), 7.0F);
  product.run(codes.x.data(), rows, begin, {scale, sum, bias}, accumulate,
              MatrixView(y.data(), codes.rows, width, width + 1));
  for (std::int64_t row = 0; row < codes.rows; ++row) {
    for (std::int64_t o = 0; o < width; ++o) {
      const std::int64_t wanted = codes.sum(row, begin + o) + 3 * row + o + (accumulate ? 7 : 0);
      EXPECT_EQ(y[static_cast<std::size_t>(row * (width + 1) + o)], static_cast<float>(wanted))
          << codes.rows << " x " << codes.in << " x " << codes.out << " from " << begin << " at " << row << ", " << o;
    }
    EXPECT_EQ(y[static_cast<std::size_t>(row * (width + 1) + width)], 7.0F);
  }
}

TEST(Int8Product, IsExact) {
  if (!Int8Product::runs_here()) GTEST_SKIP() << "it is written in AVX2, which this CPU does not have";
  for (const std::int64_t rows : {1, 2, 3, 4, 5, 9}) {
    for (const std::int64_t in : {4, 36, 384}) {
      for (const std::int64_t out : {1, 15, 16, 17, 48}) {
        for (const bool accumulate : {false, true}) expect_exact(Codes(rows, in, out), 0, accumulate);
      }
    }
  }
}

TEST(Int8Product, ComputesSomeOutputsAlone) {
  if (!Int8Product::runs_here()) GTEST_SKIP() << "it is written in AVX2, which this CPU does not have";
  for (const std::int64_t begin : {16, 32}) expect_exact(Codes(6, 64, 45), begin, false);
}

TEST(Int8Product, LeavesOtherWidthsAndCpusToOneDnn) {
  EXPECT_FALSE(Int8Product::suits(6));
  EXPECT_FALSE(onednn::has_vnni() && Int8Product::suits(8));
}

}  // namespace

}  // namespace treble::simd
