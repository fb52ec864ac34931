// int8, bfloat16 and the automatic choice, on a small golden model.
#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "engine/compute_choice.h"
#include "engine/encoder_access.h"
#include "engine/golden_support.h"
#include "kernels/simd/on_every_target.h"
#include "kernels/test_support.h"
#include "treble/sentence_encoder.h"

namespace treble::internal {
namespace {

std::string model_path() { return test::source_path("tests/golden/bert/model").string(); }

SentenceEncoder load(ComputeType type) {
  return SentenceEncoder::load({.model = model_path(), .threads = 2, .dtype = type});
}

std::vector<std::string> texts() { return test::read_texts(test::source_path("tests/golden/bert/cases.json")); }

double max_abs_difference(const Embeddings& a, const Embeddings& b) {
  return test::max_abs_difference({a.values.data(), a.count, a.dim}, {b.values.data(), b.count, b.dim});
}

/// As docs/performance.md says; a change here needs its measurement there.
TEST(AutomaticComputeType, OrderIsWhatWasMeasured) {
  using enum ComputeType;
  const std::vector<ComputeType> by_speed = {int8, bfloat16};
  const std::vector<ComputeType> careful = {bfloat16, int8};
  for (const CpuKind kind :
       {CpuKind::other, CpuKind::avx512, CpuKind::avx512_bf16, CpuKind::intel_avx512_bf16, CpuKind::amx}) {
    for (const std::int64_t width : {std::int64_t{1}, std::int64_t{384}, std::int64_t{385}, std::int64_t{4096}}) {
      EXPECT_EQ(fast_compute_types(kind, width, false), std::vector<ComputeType>{int8}) << "emulated bfloat16 is slow";
      EXPECT_EQ(fast_compute_types(kind, width, true), kind == CpuKind::amx && width <= 384 ? careful : by_speed);
    }
  }
}

TEST(ComputeTypes, Int8DoesNotDependOnCompanionsBitForBit) {
  const auto words = texts();
  const auto encoder = load(ComputeType::int8);
  const auto together = encoder.encode(test::views(words));
  for (std::size_t i = 0; i < words.size(); ++i) {
    const std::string_view one = words[i];
    const auto alone = encoder.encode({&one, 1});
    for (std::int64_t c = 0; c < alone.dim; ++c) {
      EXPECT_EQ(alone.values[static_cast<std::size_t>(c)],
                together.values[i * static_cast<std::size_t>(alone.dim) + static_cast<std::size_t>(c)]);
    }
  }
}

TEST(ComputeTypes, Int8IsTheSameForEveryNumberOfThreads) {
  const auto words = texts();
  const auto with = [&](int threads) {
    return SentenceEncoder::load({.model = model_path(), .threads = threads, .dtype = ComputeType::int8})
        .encode(test::views(words))
        .values;
  };
  EXPECT_EQ(with(1), with(3));
}

/// The sentences that biases are corrected by have no room then.
TEST(ComputeTypes, Int8LoadsWhateverTheModelCannotRead) {
  EXPECT_NO_THROW(
      SentenceEncoder::load({.model = model_path(), .threads = 1, .max_length = 1, .dtype = ComputeType::int8}));
}

TEST(ComputeTypes, TemperatureActsInEachOfThem) {
  const auto words = texts();
  EncodeOptions sharp;
  sharp.temperature = Temperature::constant(0.5);
  const auto plain_float = load(ComputeType::float32).encode(test::views(words));
  const auto sharp_float = load(ComputeType::float32).encode(test::views(words), sharp);
  const double change = max_abs_difference(plain_float, sharp_float);
  for (const auto type : {ComputeType::bfloat16, ComputeType::int8}) {
    const auto encoder = load(type);
    const auto plain = encoder.encode(test::views(words));
    const auto tempered = encoder.encode(test::views(words), sharp);
    EXPECT_GT(max_abs_difference(plain, tempered), 0.5 * change);
    // What the type loses is less than what the temperature changes.
    EXPECT_LT(max_abs_difference(tempered, sharp_float), change);
  }
}

TEST(ComputeTypes, SayWhatTheyAre) {
  EXPECT_EQ(load(ComputeType::float32).info().compute_dtype, ComputeType::float32);
  EXPECT_EQ(load(ComputeType::int8).info().compute_dtype, ComputeType::int8);
  EXPECT_EQ(load(ComputeType::bfloat16).info().compute_dtype, ComputeType::bfloat16);
  EXPECT_FALSE(load(ComputeType::float32).info().cpu_isa.empty());
}

TEST(ComputeTypes, AutomaticKeepsItsPromiseAndSaysWhy) {
  const auto chosen = load(ComputeType::automatic);
  EXPECT_NE(chosen.info().compute_dtype, ComputeType::automatic);
  EXPECT_NE(chosen.info().dtype_reason.find("mean cosine to float32"), std::string::npos);
  EXPECT_GE(sample_cosine(load(ComputeType::float32), chosen), kMinSampleAgreement);
  EXPECT_EQ(load(ComputeType::automatic).info().compute_dtype, chosen.info().compute_dtype);
}

/// Keeps the last layer's hidden states of each text, and what was seen of attention.
class LastStates : public AttentionObserver {
 public:
  void on_attention(std::int64_t, const PackedBatch&, const AttentionInputs& inputs) override {
    for (const ConstMatrixView view : {inputs.q, inputs.k, inputs.v}) {
      for (std::int64_t row = 0; row < view.rows; ++row) {
        for (const float value : view.row_span(row)) sum += std::abs(static_cast<double>(value));
      }
    }
  }
  void on_hidden_states(std::int64_t, const PackedBatch&, ConstMatrixView hidden) override {
    states.assign(hidden.data, hidden.data + hidden.rows * hidden.cols);
  }

  double sum = 0;
  std::vector<float> states;
};

/// Queries, keys and values may be bfloat16 within, which an observer sees as float32, and sees without disturbing.
TEST(ComputeTypes, AnObserverSeesTheSameAttentionInEachOfThem) {
  const auto words = texts();
  const std::string_view text = words[1];
  LastStates exact;
  EncoderAccess::observe(load(ComputeType::float32), {&text, 1}, {}, exact);
  EXPECT_GT(exact.sum, 0);
  for (const auto type : {ComputeType::bfloat16, ComputeType::int8}) {
    LastStates seen;
    EncoderAccess::observe(load(type), {&text, 1}, {}, seen);
    EXPECT_NEAR(seen.sum, exact.sum, 0.02 * exact.sum);
    ASSERT_EQ(seen.states.size(), exact.states.size());
    for (std::size_t i = 0; i < seen.states.size(); ++i) EXPECT_NEAR(seen.states[i], exact.states[i], 0.2);
  }
}

/// The whole encoder on each instruction set of our own kernels; oneDNN's are capped by the environment.
TEST(ComputeTypes, EveryInstructionSetGivesTheSameVectors) {
  const auto words = texts();
  for (const auto& [type, tolerance] : {std::pair{ComputeType::float32, 1e-5}, {ComputeType::int8, 0.02}}) {
    const auto encoder = load(type);
    const auto expected = encoder.encode(test::views(words));
    test::on_every_target(
        [&] { EXPECT_LE(max_abs_difference(encoder.encode(test::views(words)), expected), tolerance); });
  }
}

}  // namespace
}  // namespace treble::internal
