#include "treble/calibrate.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "diagnostics/attention_statistics.h"
#include "engine/encoder_access.h"
#include "engine/golden_support.h"
#include "treble/error.h"

namespace treble::internal {
namespace {

SentenceEncoder load(const char* family) {
  return SentenceEncoder::load(
      {.model = test::source_path(std::string("tests/golden/") + family + "/model").string(), .threads = 2});
}

std::vector<std::string> long_texts() {
  std::vector<std::string> texts;
  for (int i = 0; i < 6; ++i) {
    std::string text;
    for (int word = 0; word < 70; ++word) text += "the ferry " + std::to_string(word * (i + 3) % 17) + " harbour ";
    texts.push_back(text);
  }
  texts.emplace_back("too short");
  return texts;
}

CalibrateOptions options_for(CalibrationTarget target) {
  CalibrateOptions options;
  options.match = target;
  options.reference_length = 16;
  options.lengths = {8, 16, 32, 60};
  options.sample = 4;
  return options;
}

TEST(Calibrate, SharpensLongerTextsAndLeavesTheReference) {
  const auto texts = long_texts();
  const auto encoder = load("bert");
  for (const auto target : {CalibrationTarget::filter_rate, CalibrationTarget::entropy}) {
    const auto result = calibrate(encoder, test::views(texts), options_for(target));
    EXPECT_EQ(result.texts, 4);
    ASSERT_EQ(result.profile.num_layers(), 2);
    for (const auto& layer : result.profile.logit_scales) {
      ASSERT_EQ(layer.size(), 1U);
      EXPECT_EQ(layer.front()[1], 1.0) << "the reference length";
    }
    if (target == CalibrationTarget::filter_rate) {
      EXPECT_GT(result.profile.logit_scales[0].front()[3], 1.0) << "long texts pass less, so they are sharpened";
    }
  }
}

/// The mean statistic of each layer over texts and heads, at the logit scales that the attention is given.
class MeanStatistic : public AttentionObserver {
 public:
  MeanStatistic(CalibrationTarget target, const TemperatureProfile* profile) : target_(target), profile_(profile) {}

  void on_attention(std::int64_t layer, const PackedBatch&, const AttentionInputs& inputs) override {
    values_.resize(std::max(values_.size(), static_cast<std::size_t>(layer) + 1));
    for (std::int64_t head = 0; head < inputs.num_heads; ++head) {
      const HeadLogits logits(inputs, 0, head);
      const double scale =
          profile_ == nullptr ? 1 : profile_->logit_scales[static_cast<std::size_t>(layer)][0][column_];
      const auto attention = logits.probabilities(scale);
      values_[static_cast<std::size_t>(layer)].push_back(target_ == CalibrationTarget::entropy
                                                             ? normalized_entropy(attention, logits.length())
                                                             : filter_rate(attention, logits.length()));
    }
  }
  void on_hidden_states(std::int64_t, const PackedBatch&, ConstMatrixView) override {}

  void look_at(std::size_t column) { column_ = column; }
  double mean(std::size_t layer) const {
    double sum = 0;
    for (const double value : values_[layer]) sum += value;
    return sum / static_cast<double>(values_[layer].size());
  }

 private:
  CalibrationTarget target_;
  const TemperatureProfile* profile_;
  std::size_t column_ = 0;
  std::vector<std::vector<double>> values_;  ///< [layer][text, head]
};

MeanStatistic measure(const SentenceEncoder& encoder, std::span<const std::string_view> texts, std::int64_t length,
                      MeanStatistic statistic, const Temperature& temperature) {
  EncodeOptions encode;
  encode.max_length = length;
  encode.temperature = temperature;
  EncoderAccess::observe(encoder, texts, encode, statistic);
  return statistic;
}

// What it is for: with the profile, every layer filters (or spreads) at every length as it does at the reference.
TEST(Calibrate, WithItsProfileEveryLengthMeasuresAsTheReference) {
  const auto texts = long_texts();
  const auto views = test::views(texts);
  const std::span<const std::string_view> four(views.data(), 4);
  const auto encoder = load("bert");
  for (const auto target : {CalibrationTarget::filter_rate, CalibrationTarget::entropy}) {
    const auto result = calibrate(encoder, four, options_for(target));
    ASSERT_TRUE(result.unreached.empty());
    const auto reference = measure(encoder, four, 16, {target, nullptr}, {});
    for (std::size_t i = 0; i < result.profile.lengths.size(); ++i) {
      MeanStatistic statistic(target, &result.profile);
      statistic.look_at(i);
      statistic =
          measure(encoder, four, result.profile.lengths[i], statistic, Temperature::from_profile(result.profile, "p"));
      for (std::size_t layer = 0; layer < 2; ++layer) {
        EXPECT_NEAR(statistic.mean(layer) / reference.mean(layer), 1, 2e-3)
            << "layer " << layer << " at " << result.profile.lengths[i] << " tokens";
      }
    }
  }
}

TEST(Calibrate, IsDeterministicAndItsProfileFitsTheModel) {
  const auto texts = long_texts();
  const auto encoder = load("bert");
  const auto options = options_for(CalibrationTarget::entropy);
  const auto first = calibrate(encoder, test::views(texts), options);
  EncodeOptions encode;
  encode.temperature = Temperature::from_profile(first.profile, "p");
  encode.temperature.check_fits(2, 4);
  EXPECT_NO_THROW(encoder.encode(test::views(texts), encode));
  const auto second = calibrate(encoder, test::views(texts), options);
  EXPECT_EQ(first.profile.logit_scales, second.profile.logit_scales) << "deterministic for a seed";
}

TEST(Calibrate, TellsHeadsApartOnRequest) {
  const auto texts = long_texts();
  auto options = options_for(CalibrationTarget::filter_rate);
  options.lengths = {16, 48};
  options.per_head = true;
  std::int64_t steps = 0;
  options.progress = [&](const Progress& progress) {
    steps = progress.done;
    EXPECT_EQ(progress.total, 6);
    EXPECT_EQ(progress.stage, "calibrating");
  };
  const auto result = calibrate(load("qwen3"), test::views(texts), options);
  EXPECT_EQ(result.profile.num_heads(), 4);
  EXPECT_EQ(steps, 6);
}

TEST(Calibrate, NamesWhatIsMissing) {
  const auto texts = long_texts();
  const auto encoder = load("bert");
  auto options = options_for(CalibrationTarget::entropy);
  options.lengths = {16, 65};
  EXPECT_THROW(calibrate(encoder, test::views(texts), options), Error);
  options.lengths = {32, 16};
  EXPECT_THROW(calibrate(encoder, test::views(texts), options), Error);
  options.lengths = {};
  EXPECT_THROW(calibrate(load("bert"), {}, options), Error);
  options.lengths = {16, 32};
  const std::vector<std::string_view> short_texts = {"a", "b"};
  EXPECT_THROW(calibrate(encoder, short_texts, options), Error);
}

}  // namespace
}  // namespace treble::internal
