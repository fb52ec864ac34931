// On the trained model of tests/data/state-passkey, which read texts of 128 tokens.
#include "treble/passkey.h"

#include <gtest/gtest.h>

#include <cmath>
#include <nlohmann/json.hpp>
#include <numeric>

#include "treble/error.h"
#include "treble/report_page.h"

namespace treble {
namespace {

SentenceEncoder load(int threads = 2) {
  return SentenceEncoder::load(
      {.model = std::string(TREBLE_SOURCE_DIR) + "/tests/data/state-passkey/model", .threads = threads});
}

double share(const PasskeyColumn& column) {
  const auto sum = [](const std::vector<std::int64_t>& values) {
    return std::accumulate(values.begin(), values.end(), 0.0);
  };
  return sum(column.right) / sum(column.samples);
}

PasskeyOptions small() {
  PasskeyOptions options;
  options.lengths = {128, 512, 1024};
  options.samples = 20;
  options.controls = {StateControl::parse("window:256")};
  return options;
}

TEST(Passkey, IsKnownWithinTheTrainingLengthLostBeyondAndFoundInAWindow) {
  const auto encoder = load();
  const PasskeyReport report = passkey(encoder, small());
  ASSERT_EQ(report.maps.size(), 2U);
  const auto& trained = report.maps[0];
  const auto& windowed = report.maps[1];
  EXPECT_EQ(trained.state, "none");
  EXPECT_EQ(windowed.state, "window:256");
  EXPECT_GE(share(trained.columns[0]), 0.9);
  EXPECT_LE(share(trained.columns[1]), 0.6);
  EXPECT_LE(share(trained.columns[2]), 0.1);
  EXPECT_GE(share(windowed.columns[2]), 0.15);
  // Nothing that lies before the window is found, all that lies well within it is.
  EXPECT_EQ(windowed.columns[2].right.front(), 0);
  EXPECT_EQ(windowed.columns[2].right.back(), windowed.columns[2].samples.back());
  EXPECT_LE(trained.columns[0].tokens, 128 + 20);
  EXPECT_EQ(std::accumulate(trained.columns[0].samples.begin(), trained.columns[0].samples.end(), 0), 20);
}

TEST(Passkey, IsTheSameForAnyNumberOfThreads) {
  const auto one = load(1);
  const auto two = load(2);
  EXPECT_EQ(to_json(passkey(one, small())), to_json(passkey(two, small())));
}

std::string message(const PasskeyOptions& options) {
  const auto encoder = load();
  try {
    passkey(encoder, options);
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::invalid_argument);
    return error.what();
  }
  return "no error";
}

TEST(Passkey, BadOptionsAreNamed) {
  PasskeyOptions options;
  options.lengths = {20};
  EXPECT_NE(message(options).find("PasskeyOptions::lengths has 20"), std::string::npos) << message(options);
  options.lengths = {1 << 25};
  EXPECT_NE(message(options).find("lengths has 33554432, a prompt may have up to 16777216"), std::string::npos);
  options = {.samples = 0};
  EXPECT_NE(message(options).find("samples is 0"), std::string::npos);
  options = {.samples = 5, .rows = 6};
  EXPECT_NE(message(options).find("rows is 6"), std::string::npos);
  options = {.digits = 0};
  EXPECT_NE(message(options).find("digits is 0"), std::string::npos);
  options = {};
  options.prompt.passkey = "no place for it";
  EXPECT_NE(message(options).find("has no {key}"), std::string::npos);
  options = {};
  options.prompt.question = "\xff";
  EXPECT_NE(message(options).find("prompt.question: "), std::string::npos);
  options = {};
  options.prompt.filler = "";
  EXPECT_NE(message(options).find("prompt.filler has no tokens"), std::string::npos);
}

TEST(Passkey, FewSamplesHaveAsManyRows) {
  const auto encoder = load();
  const PasskeyReport report = passkey(encoder, {.lengths = {128}, .samples = 3});
  EXPECT_EQ(report.maps[0].columns[0].samples, (std::vector<std::int64_t>{1, 1, 1}));
}

TEST(Passkey, HearsAStopAndReportsEveryPrompt) {
  const auto encoder = load(1);
  PasskeyOptions options = small();
  std::int64_t done = 0;
  options.progress = [&](const Progress& progress) {
    EXPECT_EQ(progress.stage, "passkey");
    EXPECT_EQ(progress.total, 20 * 3 * 2);
    EXPECT_GE(progress.done, done);
    done = progress.done;
  };
  passkey(encoder, options);
  EXPECT_EQ(done, 120);
  std::stop_source source;
  options.progress = [&](const Progress& progress) {
    if (progress.done == 3) source.request_stop();
  };
  options.stop = source.get_token();
  try {
    passkey(encoder, options);
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::interrupted);
  }
}

TEST(Perplexity, GrowsBeyondTheTrainingLengthAndStaysInAWindow) {
  const auto encoder = load();
  PerplexityOptions options;
  options.prompt = RepetitivePrompt::sentence;
  options.tokens = 4096;
  options.controls = {StateControl::parse("window:128")};
  const PerplexityReport report = perplexity_by_position(encoder, options);
  ASSERT_EQ(report.ranges.size(), 12U);
  const auto& within = report.ranges[6];  // 64 to 127
  const auto& end = report.ranges[11];
  EXPECT_EQ(within.begin, 64);
  EXPECT_EQ(end.end, 4096);
  EXPECT_GT(end.perplexity[0], 1.5 * within.perplexity[0]);
  EXPECT_LT(end.perplexity[1], 1.2 * within.perplexity[1]);
  for (const std::int64_t tokens : {1, 1 << 25}) {
    options.tokens = tokens;
    EXPECT_THROW(perplexity_by_position(encoder, options), Error);
  }
}

TEST(Passkey, ReportsAreJsonTablesAndPages) {
  const auto encoder = load();
  const PasskeyReport report = passkey(encoder, small());
  const auto json = nlohmann::json::parse(to_json(report));
  EXPECT_EQ(json.at("kind"), "passkey");
  EXPECT_EQ(json.at("maps").at(1).at("columns").at(2).at("length"), 1024);
  EXPECT_NE(to_table(report).find("state: window:256"), std::string::npos);
  EXPECT_NE(report_page(to_json(report)).find("\"passkey\""), std::string::npos);
  PerplexityOptions options;
  options.tokens = 64;
  EXPECT_NE(report_page(to_json(perplexity_by_position(encoder, options))).find("newlines"), std::string::npos);
}

TEST(Passkey, ModelsWithoutAHeadAreRefused) {
  const auto encoder =
      SentenceEncoder::load({.model = std::string(TREBLE_SOURCE_DIR) + "/tests/golden/bert/model", .threads = 1});
  try {
    passkey(encoder);
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::unsupported);
  }
}

}  // namespace
}  // namespace treble
