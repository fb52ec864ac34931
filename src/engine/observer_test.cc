#include "treble/observer.h"

#include <gtest/gtest.h>

#include <cmath>
#include <map>
#include <stdexcept>
#include <utility>

#include "engine/model_copy.h"

namespace treble::internal {
namespace {

/// [text, layer] → head 0's attention, and the hidden states' shapes.
struct Recorder : Observer {
  void on_attention(std::int64_t text, std::int64_t layer, const AttentionView& attention) override {
    heads = attention.num_heads();
    auto& record = attentions[{text, layer}];
    record.tokens = attention.num_tokens();
    record.probabilities = attention.probabilities(0);
    record.scale = attention.logit_scale(0, attention.num_tokens() - 1);
    EXPECT_THROW(attention.probabilities(heads), Error);
    EXPECT_THROW(static_cast<void>(attention.logit_scale(0, -1)), Error);
  }
  void on_hidden_states(std::int64_t text, std::int64_t layer, const HiddenStatesView& states) override {
    last_state = states.row(states.num_tokens - 1)[static_cast<std::size_t>(states.dim - 1)];
    shapes[{text, layer}] = {states.num_tokens, states.dim};
  }

  struct Attention {
    std::int64_t tokens = 0;
    double scale = 0;
    std::vector<float> probabilities;
  };
  std::int64_t heads = 0;
  float last_state = 0;
  std::map<std::pair<std::int64_t, std::int64_t>, Attention> attentions;
  std::map<std::pair<std::int64_t, std::int64_t>, std::pair<std::int64_t, std::int64_t>> shapes;
};

constexpr std::string_view kTexts[] = {"the first text", "another text, of a few words more"};

Recorder record(const std::string& family, double tau = 1) {
  const auto encoder = SentenceEncoder::load({.model = test::model_path(family), .threads = 2});
  EncodeOptions options;
  options.temperature = Temperature::constant(tau);
  Recorder recorder;
  observe(encoder, kTexts, options, recorder);
  EXPECT_EQ(recorder.heads, encoder.info().num_heads);
  EXPECT_EQ(recorder.attentions.size(), 2U * static_cast<std::size_t>(encoder.info().num_layers));
  EXPECT_EQ(recorder.shapes.size(), 2U * static_cast<std::size_t>(encoder.info().num_layers + 1));
  const auto counts = encoder.count_tokens(kTexts, options);
  for (const auto& [place, shape] : recorder.shapes) {
    EXPECT_EQ(shape.first, counts[static_cast<std::size_t>(place.first)].used);
    EXPECT_EQ(shape.second, encoder.info().hidden_size);
  }
  EXPECT_TRUE(std::isfinite(recorder.last_state));
  return recorder;
}

TEST(Observers, RowsOfAttentionSumToOne) {
  for (const char* family : {"bert", "llama", "t5"}) {
    for (const auto& [place, attention] : record(family, 0.7).attentions) {
      const auto n = static_cast<std::size_t>(attention.tokens);
      ASSERT_EQ(attention.probabilities.size(), n * n);
      EXPECT_NEAR(attention.scale, 1 / 0.7, 1e-6);
      for (std::size_t row = 0; row < n; ++row) {
        double sum = 0;
        for (std::size_t col = 0; col < n; ++col) sum += double{attention.probabilities[row * n + col]};
        EXPECT_NEAR(sum, 1, 1e-5) << family;
      }
    }
  }
}

TEST(Observers, CausalModelsSeeNothingAhead) {
  for (const auto& [place, attention] : record("llama").attentions) {
    const auto n = static_cast<std::size_t>(attention.tokens);
    for (std::size_t row = 0; row < n; ++row) {
      for (std::size_t col = row + 1; col < n; ++col) EXPECT_EQ(attention.probabilities[row * n + col], 0);
    }
  }
}

/// In the first layer the logits do not depend on the temperature, so p_τ is p_1^(1/τ), normalised.
TEST(Observers, SeeTheTemperature) {
  const Recorder plain = record("bert");
  const Recorder sharp = record("bert", 0.5);
  for (const std::int64_t text : {0, 1}) {
    const auto& one = plain.attentions.at({text, 0});
    const auto& half = sharp.attentions.at({text, 0});
    const auto n = static_cast<std::size_t>(one.tokens);
    for (std::size_t row = 0; row < n; ++row) {
      double sum = 0;
      for (std::size_t col = 0; col < n; ++col) sum += std::pow(double{one.probabilities[row * n + col]}, 2);
      for (std::size_t col = 0; col < n; ++col) {
        const std::size_t at = row * n + col;
        EXPECT_NEAR(half.probabilities[at], std::pow(double{one.probabilities[at]}, 2) / sum, 1e-5);
      }
    }
  }
}

TEST(Observers, AnExceptionReachesTheCaller) {
  struct Refuses : Observer {
    void on_hidden_states(std::int64_t, std::int64_t, const HiddenStatesView&) override {
      throw std::runtime_error("enough");
    }
  };
  const auto encoder = SentenceEncoder::load({.model = test::model_path("bert")});
  Refuses observer;
  EXPECT_THROW(observe(encoder, kTexts, {}, observer), std::runtime_error);
}

}  // namespace
}  // namespace treble::internal
