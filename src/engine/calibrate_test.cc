#include "treble/calibrate.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "engine/golden_support.h"
#include "treble/error.h"

namespace treble {
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

// What it is for: with the profile, a calibration finds nothing left to do.
TEST(Calibrate, ItsProfileIsAFixedPoint) {
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
  options.progress = [&](std::int64_t done, std::int64_t total) {
    steps = done;
    EXPECT_EQ(total, 6);
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
  EXPECT_THROW(calibrate(encoder, test::views(texts), options), Error);
  options.lengths = {16, 32};
  const std::vector<std::string_view> short_texts = {"a", "b"};
  EXPECT_THROW(calibrate(encoder, short_texts, options), Error);
}

}  // namespace
}  // namespace treble
