// Temperature schedules in an encoder: texts that they leave alone, texts in batches, profiles.
#include <gtest/gtest.h>

#include <algorithm>

#include "engine/model_copy.h"
#include "engine/sample_texts.h"

namespace treble::internal {
namespace {

using test::difference;
using test::error_of;
using test::kInvariance;
using test::mixed_texts;
using test::model_path;
using test::words;

EncodeOptions with_temperature(const Temperature& temperature) {
  EncodeOptions options;
  options.temperature = temperature;
  return options;
}

TEST(Schedules, LogLengthLeavesShortTextsUntouchedBitForBit) {
  for (const char* family : {"bert", "mpnet", "qwen3", "modernbert"}) {
    const auto encoder = SentenceEncoder::load({.model = model_path(family), .threads = 1});
    const std::string long_text = words(50);
    const std::vector<std::string_view> texts = {"the ferry leaves", long_text};
    const auto plain = encoder.encode(texts);
    const auto tempered = encoder.encode(texts, with_temperature(Temperature::parse("log:24")));
    const auto middle = plain.values.begin() + plain.dim;
    EXPECT_TRUE(std::equal(plain.values.begin(), middle, tempered.values.begin())) << family;
    EXPECT_FALSE(std::equal(middle, plain.values.end(), tempered.values.begin() + plain.dim)) << family;
  }
}

TEST(Schedules, DoNotDependOnCompanions) {
  const auto texts = mixed_texts();
  for (const char* family : {"bert", "llama", "mistral", "gemma3-text", "t5"}) {
    const auto encoder = SentenceEncoder::load({.model = model_path(family), .threads = 2});
    for (const char* form : {"log:8", "ssmax:0.4,0.1", "yarn:8"}) {
      EncodeOptions options = with_temperature(Temperature::parse(form));
      const auto together = encoder.encode(test::views(texts), options);
      options.batch_tokens = 1;
      EXPECT_LE(difference(together, encoder.encode(test::views(texts), options)), kInvariance) << family << form;
    }
  }
}

TEST(Schedules, AProfileOfOneColumnIsTheConstant) {
  TemperatureProfile profile;
  profile.lengths = {64};
  profile.logit_scales.assign(2, {{1.25}});
  const auto texts = mixed_texts();
  const auto encoder = SentenceEncoder::load({.model = model_path("bert"), .threads = 1});
  const auto by_profile = encoder.encode(test::views(texts), with_temperature(Temperature::from_profile(profile, "p")));
  EXPECT_EQ(by_profile.values, encoder.encode(test::views(texts), with_temperature(Temperature::constant(0.8))).values);
}

TEST(Schedules, AProfileForAnotherModelIsRefused) {
  TemperatureProfile profile;
  profile.lengths = {64};
  profile.logit_scales.assign(6, {{1.25}});
  const auto encoder = SentenceEncoder::load({.model = model_path("bert"), .threads = 1});
  const std::vector<std::string_view> texts = {"a"};
  const auto message =
      error_of([&] { encoder.encode(texts, with_temperature(Temperature::from_profile(profile, "p.json"))); });
  EXPECT_NE(message.find("p.json is for 6 layers"), std::string::npos) << message;
}

}  // namespace
}  // namespace treble::internal
