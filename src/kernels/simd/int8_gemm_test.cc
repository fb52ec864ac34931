#include "kernels/simd/int8_gemm.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <span>
#include <vector>

#include "kernels/onednn/effective_isa.h"
#include "kernels/test_support.h"

namespace treble::internal::simd {

namespace {

/// Codes of the whole permitted range, maximal pairs included.
struct Codes {
  Codes(Int8Isa isa_in, std::int64_t rows_in, std::int64_t in_in, std::int64_t out_in)
      : isa(isa_in), rows(rows_in), in(in_in), out(out_in) {
    const Int8Range range = isa == Int8Isa::avx2 ? Int8Range{180, 105, 182} : Int8Range{};
    for (std::int64_t i = 0; i < rows * in; ++i) {
      x.push_back(static_cast<std::uint8_t>(i % 3 == 0 ? range.input_max : (i * 37) % (range.input_max + 1)));
    }
    for (std::int64_t i = 0; i < out * in; i += 2) {
      const std::int32_t sign = i / 2 % 5 < 3 ? 1 : -1;
      const auto first = static_cast<std::int32_t>(i % 7 == 0 ? range.weight_qmax : (i * 11) % (range.weight_qmax + 1));
      weight.push_back(static_cast<std::int8_t>(sign * first));
      weight.push_back(static_cast<std::int8_t>(sign * std::min(range.weight_qmax, range.pair_max - first)));
    }
  }

  std::int64_t sum(std::int64_t row, std::int64_t output) const {
    std::int64_t total = 0;
    for (std::int64_t i = 0; i < in; ++i) {
      total += x[static_cast<std::size_t>(row * in + i)] * weight[static_cast<std::size_t>(output * in + i)];
    }
    return total;
  }

  Int8Isa isa;
  std::int64_t rows;
  std::int64_t in;
  std::int64_t out;
  std::vector<std::uint8_t> x;
  std::vector<std::int8_t> weight;
};

/// Outputs from `begin` on, held against sums of whole numbers.
void expect_exact(const Codes& codes, std::int64_t begin, bool accumulate) {
  const Int8Gemm gemm(codes.isa, codes.in, codes.out, codes.weight);
  const std::int64_t width = codes.out - begin;
  const auto columns = static_cast<std::size_t>(width);
  const std::vector<float> scale(columns, 0.5F);
  const std::vector<float> sum(columns, 3.0F);
  const std::vector<float> offset(columns, -2.0F);
  std::vector<float> bias;
  for (std::size_t i = 0; i < columns; ++i) bias.push_back(static_cast<float>(i));
  std::vector<RowQuantParams> rows;
  for (std::int64_t row = 0; row < codes.rows; ++row) rows.push_back({2.0F, static_cast<float>(row), 5.0F});
  // A column more than is written, which must stay as it is.
  std::vector<float> y(static_cast<std::size_t>(codes.rows * (width + 1)), 7.0F);
  gemm.run(codes.x.data(), rows, begin, {scale, offset, sum, bias}, accumulate,
           MatrixView(y.data(), codes.rows, width, width + 1));
  for (std::int64_t row = 0; row < codes.rows; ++row) {
    for (std::int64_t o = 0; o < width; ++o) {
      const std::int64_t wanted = codes.sum(row, begin + o) + 3 * row - 2 * 5 + o + (accumulate ? 7 : 0);
      EXPECT_EQ(y[static_cast<std::size_t>(row * (width + 1) + o)], static_cast<float>(wanted))
          << codes.rows << " x " << codes.in << " x " << codes.out << " from " << begin << " at " << row << ", " << o;
    }
    EXPECT_EQ(y[static_cast<std::size_t>(row * (width + 1) + width)], 7.0F);
  }
}

/// The same numbers, rounded to bfloat16.
void expect_rounded(const Codes& codes) {
  const Int8Gemm gemm(codes.isa, codes.in, codes.out, codes.weight);
  const auto columns = static_cast<std::size_t>(codes.out);
  const auto scale = test::random_values(codes.out, 1, 0.1F);
  const auto sum = test::random_values(codes.out, 2);
  const std::vector<float> bias(columns, 0.5F);
  std::vector<RowQuantParams> rows;
  for (std::int64_t row = 0; row < codes.rows; ++row) rows.push_back({0.01F, static_cast<float>(row), 5.0F});
  rows.back().offset = NAN;
  std::vector<float> y(static_cast<std::size_t>(codes.rows * codes.out));
  gemm.run(codes.x.data(), rows, 0, {scale, sum, sum, bias}, false, MatrixView(y.data(), codes.rows, codes.out));
  const std::int64_t stride = codes.out + 3;
  std::vector<std::uint16_t> bf16(static_cast<std::size_t>(codes.rows * stride), 7);
  gemm.run(codes.x.data(), rows, 0, {scale, sum, sum, bias}, Bfloat16View(bf16.data(), codes.rows, codes.out, stride));
  const auto wanted = test::to_bf16(y);
  for (std::int64_t row = 0; row < codes.rows; ++row) {
    for (std::int64_t o = 0; o < stride; ++o) {
      const auto at = static_cast<std::size_t>(row * codes.out + o);
      EXPECT_EQ(bf16[static_cast<std::size_t>(row * stride + o)], o < codes.out ? wanted[at] : 7);
    }
  }
}

class Int8GemmOn : public ::testing::TestWithParam<Int8Isa> {
 protected:
  void SetUp() override {
    if (!cpu_supports(GetParam()))
      GTEST_SKIP() << "the CPU cannot execute these instructions; int8_isa() never chooses them here";
  }
};

TEST_P(Int8GemmOn, IsExact) {
  for (const std::int64_t rows : {1, 2, 3, 4, 5, 9, 12, 13, 29}) {
    for (const std::int64_t in : {4, 36, 384}) {
      for (const std::int64_t out : {1, 15, 16, 17, 48, 64}) {
        for (const bool accumulate : {false, true}) expect_exact(Codes(GetParam(), rows, in, out), 0, accumulate);
      }
    }
  }
}

TEST_P(Int8GemmOn, ReadsAndWritesCodes) {
  const Codes first(GetParam(), 3, 36, 77);
  const Int8Gemm gemm(first.isa, first.in, first.out, first.weight);
  auto other = first;
  std::reverse(other.weight.begin(), other.weight.end());
  Int8Gemm changed(first.isa, first.in, first.out, first.weight);
  for (std::int64_t output = 0; output < first.out; ++output) {
    std::vector<std::int8_t> codes(20);
    gemm.read_codes(output, 8, codes);
    const auto row = first.weight.begin() + output * first.in;
    EXPECT_TRUE(std::equal(codes.begin(), codes.end(), row + 8));
    changed.write_codes(output, 0, std::span(other.weight).subspan(static_cast<std::size_t>(output * 36), 36));
  }
  std::vector<std::int8_t> whole(36);
  changed.read_codes(70, 0, whole);
  EXPECT_TRUE(std::equal(whole.begin(), whole.end(), other.weight.begin() + 70 * 36));
}

TEST_P(Int8GemmOn, ComputesARangeOfOutputs) {
  for (const std::int64_t begin : {32, 64}) expect_exact(Codes(GetParam(), 6, 64, 77), begin, false);
}

TEST(Int8Gemm, WritesBfloat16) {
  if (!cpu_supports(Int8Isa::avx512_vnni) || !onednn::effective_isa().avx512_bf16) {
    GTEST_SKIP() << "the CPU has no AVX512-BF16; nothing asks for it there";
  }
  for (const std::int64_t rows : {1, 7, 8, 29}) {
    for (const std::int64_t out : {1, 31, 32, 77}) expect_rounded(Codes(Int8Isa::avx512_vnni, rows, 36, out));
  }
}

INSTANTIATE_TEST_SUITE_P(Isas, Int8GemmOn, ::testing::Values(Int8Isa::avx2, Int8Isa::avx512_vnni),
                         [](const auto& isa) { return isa.param == Int8Isa::avx2 ? "avx2" : "avx512_vnni"; });

TEST(Int8Gemm, LeavesOtherWidthsAndCpusToOneDnn) {
  EXPECT_FALSE(Int8Gemm::supports(6));
  EXPECT_EQ(int8_isa() == Int8Isa::avx2, onednn::effective_isa().avx2_only);
  EXPECT_FALSE(cpu_supports(Int8Isa::none));
  EXPECT_TRUE(int8_isa() == Int8Isa::none || cpu_supports(int8_isa()));
}

}  // namespace

}  // namespace treble::internal::simd
