// Attention in tiles against its reference: in plain C++ on every CPU, with AVX-512's vectors and with AMX's tiles
// where the CPU has them.
#include "kernels/simd/tile_attention.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <ostream>
#include <random>
#include <stdexcept>
#include <string>
#include <vector>

#include "kernels/attention_by.h"
#include "kernels/compute_isa.h"
#include "kernels/simd/attention_fixture.h"
#include "kernels/simd/plain_lanes.h"
#include "kernels/simd/plain_tiles.h"
#include "kernels/simd/tile_attention_avx512.h"
#define TREBLE_TILE_TARGET
#include "kernels/simd/tile_attention-inl.h"

namespace treble::internal {
namespace {

using test::AttentionCase;
using test::AttentionFixture;

/// What the kernel for AVX512-BF16 is held to, of inputs of spread 1 (attention_test.cc).
constexpr double kTolerance = 0.02;

struct TileKernel {
  const char* name;
  Bfloat16Attention needs;  ///< a kernel that the same CPUs support
  simd::HeadKernel<float> wide;
  simd::HeadKernel<std::uint16_t> narrow;
};

std::ostream& operator<<(std::ostream& out, const TileKernel& kernel) { return out << kernel.name; }

template <typename T>
simd::HeadKernel<T> plain_kernel() {
  return {&simd::attend_head_in_tiles<simd::PlainTiles, simd::PlainLanes, T>, &simd::PlainTiles::configure,
          &simd::PlainTiles::release};
}

const TileKernel kPlain = {"Plain", Bfloat16Attention::float32, plain_kernel<float>(), plain_kernel<std::uint16_t>()};
const TileKernel kOnAvx512 = {"PlainTilesOnAvx512", Bfloat16Attention::avx512_bf16,
                              test::tile_attention_on_avx512<float>(), test::tile_attention_on_avx512<std::uint16_t>()};
const TileKernel kAmx = {"Amx", Bfloat16Attention::amx, simd::tile_attention<float>(),
                         simd::tile_attention<std::uint16_t>()};

std::string missing(const TileKernel& kernel) {
  if (cpu_supports(kernel.needs)) return {};
  return kernel.needs == Bfloat16Attention::amx ? "no AMX on this CPU" : "no AVX512-BF16 on this CPU";
}

class AttentionInTiles : public ::testing::TestWithParam<TileKernel> {
 protected:
  void SetUp() override {
    if (const std::string reason = missing(GetParam()); !reason.empty()) GTEST_SKIP() << reason;
  }

  static void expect_close(const AttentionCase& c, unsigned seed = 7) {
    SCOPED_TRACE(::testing::Message() << c << ", seed " << seed);
    AttentionFixture fixture(c, seed);
    EXPECT_LE(fixture.difference_to_reference(GetParam().wide), kTolerance);
    // Of the same numbers it computes the same from and to bfloat16.
    EXPECT_EQ(fixture.run_bfloat16(test::TestExecution(), &GetParam().narrow),
              test::to_bf16(fixture.run_rounded(&GetParam().wide)));
  }
};

INSTANTIATE_TEST_SUITE_P(Kernels, AttentionInTiles, ::testing::Values(kPlain, kOnAvx512, kAmx),
                         [](const auto& kernel) { return kernel.param.name; });

/// Cases drawn at random; the same for the same seed.
AttentionCase random_case(unsigned seed) {
  std::mt19937 generator(seed);
  const auto draw = [&](std::int64_t minimum, std::int64_t maximum) {
    return minimum + static_cast<std::int64_t>(generator() % static_cast<std::uint64_t>(maximum - minimum + 1));
  };
  AttentionCase c;
  const std::int64_t sequences = draw(1, 3);
  for (std::int64_t s = 0; s < sequences; ++s) c.lengths.push_back(draw(1, draw(0, 3) == 0 ? 300 : 80));
  constexpr std::int64_t kWidths[] = {32, 64, 96, 128, 256, 2, 48, 80};
  c.head_dim = kWidths[seed % std::size(kWidths)];
  c.heads_per_kv = draw(1, 2);
  c.num_heads = c.heads_per_kv * draw(1, 2);
  c.bias = draw(0, 2) == 0;
  c.temper_bias = draw(0, 1) == 0;
  if (draw(0, 2) == 0) c.window_left = draw(0, 70);
  if (draw(0, 2) == 0) c.window_right = draw(0, 1) == 0 ? 0 : draw(0, 70);
  if (draw(0, 2) == 0) {
    for (const std::int64_t length : c.lengths) c.key_counts.push_back(draw(0, length));
  }
  return c;
}

TEST_P(AttentionInTiles, MatchesReferenceForOddSizes) {
  for (const auto& c : test::odd_cases()) {
    if (c.head_dim % 2 == 0) expect_close(c);
  }
}

TEST_P(AttentionInTiles, MatchesReferenceForRandomCases) {
  for (unsigned seed = 0; seed < 64; ++seed) expect_close(random_case(seed), seed);
}

/// Shifts are set, raised, and bounded out, by logits from next to nothing to thousands.
TEST_P(AttentionInTiles, MatchesReferenceForLogitsOfAnySize) {
  for (unsigned seed = 0; seed < 32; ++seed) {
    AttentionCase c = random_case(seed);
    constexpr float kSpreads[] = {0.125F, 1.0F, 4.0F, 32.0F};
    c.spread = kSpreads[seed / 8 % 4];
    c.exact_scores = true;
    expect_close(c, seed);
  }
}

/// Scores that grow with the key raise the shift again and again, also between steps whose values wait.
TEST_P(AttentionInTiles, FollowsScoresThatGrow) {
  for (const std::int64_t head_dim : {32, 64, 128}) {
    SCOPED_TRACE(head_dim);
    AttentionFixture fixture({.lengths = {700}, .head_dim = head_dim, .bias = true});
    std::vector<float> bias(2 * 703 - 1);
    for (std::size_t i = 0; i < bias.size(); ++i) bias[i] = 1.5F * static_cast<float>(i);
    fixture.inputs().position_bias = ConstMatrixView(bias.data(), 1, static_cast<std::int64_t>(bias.size()));
    EXPECT_LE(fixture.difference_to_reference(GetParam().wide), kTolerance);
    std::reverse(bias.begin(), bias.end());
    EXPECT_LE(fixture.difference_to_reference(GetParam().wide), kTolerance);
  }
}

/// With a window, the end of a long text is attended to as the end of its last 256 tokens.
TEST_P(AttentionInTiles, ReachesLongTexts) {
  constexpr std::int64_t kLength = 32768;
  constexpr std::int64_t kTail = 256;
  AttentionFixture fixture({.lengths = {kLength}, .head_dim = 32, .window_left = 40, .window_right = 30});
  const auto out = fixture.run(test::TestExecution(), &GetParam().wide);
  AttentionInputs tail = fixture.inputs();
  const std::vector<std::int64_t> offsets = {0, kTail};
  tail.q = tail.q.row_range(kLength - kTail, kLength);
  tail.k = tail.k.row_range(kLength - kTail, kLength);
  tail.v = tail.v.row_range(kLength - kTail, kLength);
  tail.offsets = offsets;
  tail.logit_scales = tail.logit_scales.last(kTail);
  std::vector<float> wanted(kTail * 32);
  reference::attention(tail, MatrixView(wanted.data(), kTail, 32));
  for (std::size_t i = 40 * 32; i < wanted.size(); ++i) {
    ASSERT_NEAR(out[(kLength - kTail) * 32 + i], wanted[i], kTolerance) << i;
  }
  expect_close({.lengths = {900}, .head_dim = 32});
  expect_close({.lengths = {650}, .head_dim = 96, .window_right = 0});
}

TEST_P(AttentionInTiles, IsExactWhereNothingIsRounded) {
  test::expect_exact_where_nothing_is_rounded([&](const AttentionInputs& inputs, MatrixView out) {
    attention_by(GetParam().wide, test::TestExecution(), inputs, out);
  });
}

TEST_P(AttentionInTiles, WeightsAreNearTheirPowersOfTwo) {
  test::expect_powers_of_two([&](const AttentionInputs& inputs, MatrixView out) {
    attention_by(GetParam().wide, test::TestExecution(), inputs, out);
  });
}

TEST_P(AttentionInTiles, NotANumberShows) {
  for (const std::int64_t length : {5, 70, 300}) {
    for (const std::int64_t part : {0, 1, 2}) {
      AttentionFixture fixture({.lengths = {length}, .head_dim = 32});
      AttentionInputs& inputs = fixture.inputs();
      const ConstMatrixView matrix = part == 0 ? inputs.q : part == 1 ? inputs.k : inputs.v;
      const_cast<float*>(matrix.row(length - 2))[7] = NAN;
      const auto out = fixture.run(test::TestExecution(), &GetParam().wide);
      // A query's NaN stays in its row, a key's is in all rows, a value's in a column of all of them.
      const auto count = std::count_if(out.begin(), out.end(), [](float value) { return std::isnan(value); });
      EXPECT_EQ(count, part == 0 ? 32 : part == 1 ? 32 * length : length) << length << ' ' << part;
    }
  }
}

/// The keys behind a sequence's count may hold anything.
TEST_P(AttentionInTiles, WhatIsNotAttendedToDoesNotShow) {
  AttentionFixture fixture({.lengths = {90}, .head_dim = 64, .key_counts = {71}});
  for (const ConstMatrixView& matrix : {fixture.inputs().k, fixture.inputs().v}) {
    for (std::int64_t row = 71; row < 90; ++row) const_cast<float*>(matrix.row(row))[3] = NAN;
  }
  for (const float value : fixture.run(test::TestExecution(), &GetParam().wide)) ASSERT_TRUE(std::isfinite(value));
}

TEST_P(AttentionInTiles, ARowWithoutKeysIsZero) {
  AttentionFixture fixture({.lengths = {200, 9}, .head_dim = 96, .window_left = 3, .key_counts = {100, 0}});
  const auto out = fixture.run(test::TestExecution(), &GetParam().wide);
  const auto zero = [](float value) { return value == 0.0F; };
  EXPECT_TRUE(std::all_of(out.begin() + 103 * 96, out.end(), zero));
  EXPECT_TRUE(std::none_of(out.begin(), out.begin() + 103 * 96, zero));
}

TEST_P(AttentionInTiles, LargeNumbersDoNotOverflow) {
  for (const std::int64_t length : {5, 300}) {
    AttentionFixture fixture({.lengths = {length}, .num_heads = 2, .head_dim = 32, .spread = 30.0F});
    for (const float value : fixture.run(test::TestExecution(), &GetParam().wide)) ASSERT_TRUE(std::isfinite(value));
  }
  // Scores of up to 49, in units of log₂, are within the bound; by weights of 2⁴⁹ these values would become infinite.
  AttentionFixture fixture({.lengths = {300}, .head_dim = 32});
  const AttentionInputs& inputs = fixture.inputs();
  for (std::int64_t row = 0; row < 300; ++row) {
    for (const ConstMatrixView& matrix : {inputs.q, inputs.k})
      std::fill_n(const_cast<float*>(matrix.row(row)), 32, 2.0F);
    std::fill_n(const_cast<float*>(inputs.v.row(row)), 32, 0x1p100F);
  }
  for (const float value : fixture.run(test::TestExecution(), &GetParam().wide)) {
    ASSERT_NEAR(value / 0x1p100F, 1.0F, kTolerance);
  }
}

TEST_P(AttentionInTiles, ManyThreadsGiveTheSameBits) {
  ThreadPool pool(3);
  for (const std::vector<std::int64_t>& lengths : {std::vector<std::int64_t>{120, 3, 77}, {130}}) {
    const AttentionFixture fixture({.lengths = lengths, .num_heads = 5, .head_dim = 32});
    const auto alone = fixture.run(test::TestExecution(), &GetParam().wide);
    EXPECT_EQ(fixture.run(test::TestExecution(&pool), &GetParam().wide), alone);
    EXPECT_EQ(fixture.run(test::TestExecution(), &GetParam().wide), alone);
  }
}

TEST_P(AttentionInTiles, ASequenceDoesNotDependOnItsBatch) {
  test::expect_same_without_its_batch({.lengths = {30, 71, 300}, .num_heads = 2, .head_dim = 64}, &GetParam().wide);
}

/// Of numbers, NaN being like NaN.
void expect_same_bits(const TileKernel& kernel) {
  for (unsigned seed = 0; seed < 64; ++seed) {
    AttentionCase c = random_case(seed);
    SCOPED_TRACE(::testing::Message() << c << ", seed " << seed);
    c.spread = seed % 3 == 0 ? 0.3F : 3.0F;
    AttentionFixture fixture(c, seed);
    if (seed % 8 == 7) const_cast<float*>(fixture.inputs().k.data)[1] = seed % 16 == 7 ? NAN : 1e30F;
    const auto wanted = fixture.run(test::TestExecution(), &kPlain.wide);
    const auto found = fixture.run(test::TestExecution(), &kernel.wide);
    for (std::size_t i = 0; i < wanted.size(); ++i) {
      ASSERT_TRUE(found[i] == wanted[i] || (std::isnan(found[i]) && std::isnan(wanted[i]))) << i;
    }
    EXPECT_TRUE(seed % 8 == 7 || fixture.run_bfloat16(test::TestExecution(), &kernel.narrow) ==
                                     fixture.run_bfloat16(test::TestExecution(), &kPlain.narrow));
  }
}

TEST(AttentionInTilesTwins, Avx512AndPlainAgreeBitForBit) {
  if (const std::string reason = missing(kOnAvx512); !reason.empty()) GTEST_SKIP() << reason;
  expect_same_bits(kOnAvx512);
}

TEST(AttentionInTilesTwins, AmxAndPlainAgreeBitForBit) {
  if (const std::string reason = missing(kAmx); !reason.empty()) GTEST_SKIP() << reason;
  expect_same_bits(kAmx);
}

/// The twin raises what the CPU would, so that the other tests see that tiles are configured and released.
TEST(AttentionInTilesTwins, NeedsConfiguredTiles) {
  const AttentionFixture fixture({.lengths = {4}, .head_dim = 32});
  simd::HeadKernel<float> kernel = kPlain.wide;
  EXPECT_NO_THROW(fixture.run(test::TestExecution(), &kernel));
  kernel.begin = nullptr;
  EXPECT_THROW(fixture.run(test::TestExecution(), &kernel), std::logic_error);
}

}  // namespace
}  // namespace treble::internal
