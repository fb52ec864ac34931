#include "treble/temperature.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cmath>
#include <filesystem>
#include <fstream>
#include <limits>

#include "treble/error.h"

namespace treble::internal {
namespace {

double scale(const char* text, std::int64_t n) { return Temperature::parse(text).logit_scale(0, 0, n); }

TEST(Temperature, DefaultIsTheUntouchedModel) {
  for (const auto& temperature : {Temperature(), Temperature::parse("1"), Temperature::parse("1.00")}) {
    EXPECT_TRUE(temperature.is_identity());
    EXPECT_FALSE(temperature.depends_on_length());
    EXPECT_EQ(temperature.logit_scale(3, 2, 100), 1.0);
    EXPECT_EQ(temperature.to_string(), "1");
  }
}

TEST(Temperature, ConstantIsTheInverse) {
  EXPECT_DOUBLE_EQ(Temperature::constant(0.8).logit_scale(0, 0, 7), 1.25);
  EXPECT_DOUBLE_EQ(scale("1.2", 1), 1 / 1.2);
  EXPECT_FALSE(Temperature::parse("0.8").depends_on_length());
}

TEST(Temperature, LogLengthTouchesOnlyTextsBeyondN0) {
  for (const std::int64_t n : {1, 2, 127, 128}) EXPECT_EQ(scale("log:128", n), 1.0);
  EXPECT_GT(scale("log:128", 129), 1.0);
  EXPECT_DOUBLE_EQ(scale("log:128", 16384), 2.0);
}

TEST(Temperature, ScalableSoftmaxIsLinearInTheLogarithm) {
  EXPECT_DOUBLE_EQ(scale("ssmax:0.4", 100), 0.4 * std::log(100));
  EXPECT_DOUBLE_EQ(scale("ssmax:0.4,0.5", 100), 0.4 * std::log(100) + 0.5);
  EXPECT_DOUBLE_EQ(scale("ssmax:0.4,0.5", 1), 0.5);
}

TEST(Temperature, YarnGrowsBeyondN0) {
  EXPECT_EQ(scale("yarn:512", 512), 1.0);
  EXPECT_DOUBLE_EQ(scale("yarn:512", 5120), std::pow(0.1 * std::log(10) + 1, 2));
}

TEST(Temperature, EveryScheduleRisesWithLength) {
  for (const char* text : {"log:64", "ssmax:0.3,0.1", "yarn:64"}) {
    EXPECT_TRUE(Temperature::parse(text).depends_on_length()) << text;
    for (std::int64_t n = 1; n < 100000; n *= 3) EXPECT_LE(scale(text, n), scale(text, 3 * n)) << text;
  }
}

TEST(Temperature, WrittenFormReadsBack) {
  for (const char* text :
       {"0.8", "1", "1.2", "0.3333333333333333", "1e-05", "log:128", "ssmax:0.4", "ssmax:0.4,0.5", "yarn:512"}) {
    EXPECT_EQ(Temperature::parse(text).to_string(), text);
  }
}

TEST(Temperature, RefusesWhatIsNoTemperature) {
  for (const char* text : {"",           "0",        "-1",       "nan",   "inf",    "-inf",    "0.8x",
                           " 0.8",       "warm",     "1e-60",    "1e60",  "1e999",  "log:",    "log:1",
                           "log:-4",     "log:x",    "log:1e99", "yarn:", "yarn:0", "ssmax:0", "ssmax:-1",
                           "ssmax:1,-1", "ssmax:1,", "ssmax:,1", "foo:3", ":",      "log:8,9"}) {
    EXPECT_THROW(Temperature::parse(text), Error) << text;
  }
  EXPECT_THROW(Temperature::constant(std::numeric_limits<double>::quiet_NaN()), Error);
}

TemperatureProfile profile_of(std::vector<std::int64_t> lengths,
                              std::vector<std::vector<std::vector<double>>> logit_scales) {
  TemperatureProfile profile;
  profile.lengths = std::move(lengths);
  profile.logit_scales = std::move(logit_scales);
  return profile;
}

TEST(Profile, OneColumnEqualsTheConstant) {
  const auto profile = Temperature::from_profile(profile_of({100}, {{{1.25}}, {{1.25}}}), "p");
  for (const std::int64_t n : {1, 99, 100, 101, 5000}) {
    EXPECT_EQ(profile.logit_scale(1, 3, n), Temperature::constant(0.8).logit_scale(1, 3, n));
  }
  EXPECT_FALSE(profile.depends_on_length());
}

TEST(Profile, InterpolatesInTheLogarithmAndIsFlatBeyondItsEnds) {
  const auto profile =
      Temperature::from_profile(profile_of({16, 256}, {{{1.0, 2.0}, {3.0, 3.0}}, {{1.0, 1.5}, {1.0, 1.0}}}), "p");
  EXPECT_EQ(profile.logit_scale(0, 0, 4), 1.0);
  EXPECT_DOUBLE_EQ(profile.logit_scale(0, 0, 64), 1.5);
  EXPECT_EQ(profile.logit_scale(0, 0, 256), 2.0);
  EXPECT_EQ(profile.logit_scale(0, 0, 9999), 2.0);
  EXPECT_EQ(profile.logit_scale(0, 1, 64), 3.0);
  EXPECT_DOUBLE_EQ(profile.logit_scale(1, 0, 64), 1.25);
  EXPECT_TRUE(profile.depends_on_length());
}

TEST(Profile, MustFitTheModel) {
  const auto profile = Temperature::from_profile(profile_of({16}, {{{1.0}}, {{1.0}}}), "p");
  profile.check_fits(2, 12);
  EXPECT_THROW(profile.check_fits(3, 12), Error);
  const auto heads = Temperature::from_profile(profile_of({16}, {{{1.0}, {2.0}}}), "p");
  heads.check_fits(1, 2);
  EXPECT_THROW(heads.check_fits(1, 12), Error);
}

class ProfileFile : public ::testing::Test {
 protected:
  ProfileFile()
      : path_(std::filesystem::temp_directory_path() / ("treble-profile-" + std::to_string(::getpid()) + ".json")) {}
  ~ProfileFile() override { std::filesystem::remove(path_); }

  std::string error_of(const std::string& text) const {
    std::ofstream(path_) << text;
    try {
      read_profile(path_);
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::invalid_file);
      return error.what();
    }
    return "no error";
  }

  std::filesystem::path path_;
};

TEST_F(ProfileFile, WritesAndReadsBack) {
  auto profile = profile_of({16, 300}, {{{1.0, 1.1}}, {{1.0, 0.1234567890123}}});
  profile.model = "tiny";
  profile.matched = CalibrationTarget::entropy;
  profile.reference_length = 16;
  write_profile(path_, profile);
  const auto back = read_profile(path_);
  EXPECT_EQ(back.lengths, profile.lengths);
  EXPECT_EQ(back.logit_scales, profile.logit_scales);
  EXPECT_EQ(back.model, "tiny");
  EXPECT_EQ(back.reference_length, 16);
  const auto temperature = Temperature::parse(path_.string());
  EXPECT_EQ(temperature.to_string(), "match:" + path_.string());
  EXPECT_EQ(Temperature::parse(temperature.to_string()).logit_scale(1, 0, 300), 0.1234567890123);
}

TEST_F(ProfileFile, KeepsItsProvenance) {
  auto profile = profile_of({16}, {{{1.5}}});
  EXPECT_EQ(profile.provenance, "");
  profile.provenance = R"({"max_length":40})";
  write_profile(path_, profile);
  EXPECT_EQ(read_profile(path_).provenance, profile.provenance);
}

TEST_F(ProfileFile, ItsCanonicalFormIsOfItsNumbersAlone) {
  const auto profile = profile_of({16, 300}, {{{1.0, 1.1}}, {{1.0, 0.1234567890123}}});
  const std::string canonical = Temperature::from_profile(profile, "a").canonical();
  EXPECT_EQ(canonical.substr(0, 8), "profile:");
  EXPECT_EQ(canonical.size(), 8U + 64U);
  auto renamed = profile;
  renamed.model = "another";
  EXPECT_EQ(Temperature::from_profile(renamed, "b").canonical(), canonical);
  auto later = profile;
  later.lengths[1] = 301;
  EXPECT_NE(Temperature::from_profile(later, "a").canonical(), canonical);
  auto nearly = profile;
  nearly.logit_scales[1][0][1] = std::nextafter(0.1234567890123, 1.0);
  EXPECT_NE(Temperature::from_profile(nearly, "a").canonical(), canonical);
  for (const char* written : {"1", "0.8", "log:128", "ssmax:0.5,1", "yarn:64"}) {
    EXPECT_EQ(Temperature::parse(written).canonical(), written);
  }
  EXPECT_EQ(Temperature::parse("0.80").canonical(), "0.8");
}

TEST_F(ProfileFile, EveryLieIsNamed) {
  const std::string head = R"({"schema": "treble.temperature_profile/1", )";
  const std::vector<std::pair<std::string, std::string>> lies = {
      {"", "JSON"},
      {"[]", "object"},
      {"{}", "schema"},
      {R"({"schema": "other/9"})", "other/9"},
      {head + R"("logit_scales": [[[1]]]})", "lengths"},
      {head + R"("lengths": "x", "logit_scales": [[[1]]]})", "lengths"},
      {head + R"("lengths": [1.5], "logit_scales": [[[1]]]})", "1.5"},
      {head + R"("lengths": [0], "logit_scales": [[[1]]]})", "lengths"},
      {head + R"("lengths": [], "logit_scales": [[[]]]})", "lengths"},
      {head + R"("lengths": [5, 5], "logit_scales": [[[1, 1]]]})", "rise"},
      {head + R"("lengths": [5], "logit_scales": []})", "empty"},
      {head + R"("lengths": [5], "logit_scales": [[1]]})", "logit_scales"},
      {head + R"("lengths": [5], "logit_scales": [[[1, 2]]]})", "2 values for 1"},
      {head + R"("lengths": [5], "logit_scales": [[[1]], [[1], [1]]]})", "2 heads"},
      {head + R"("lengths": [5], "logit_scales": [[[0]]]})", "[0][0][0]"},
      {head + R"("lengths": [5], "logit_scales": [[[1e9]]]})", "[0][0][0]"},
      {head + R"("lengths": [5], "logit_scales": [[[null]]]})", "logit_scales"},
  };
  for (const auto& [text, word] : lies) {
    const std::string message = error_of(text);
    EXPECT_NE(message.find(word), std::string::npos) << text << ": " << message;
    EXPECT_NE(message.find(path_.filename().string()), std::string::npos) << message;
  }
  EXPECT_THROW(Temperature::parse("match:/no/such/profile.json"), Error);
}

}  // namespace
}  // namespace treble::internal
