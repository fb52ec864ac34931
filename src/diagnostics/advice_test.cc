#include "diagnostics/advice.h"

#include <gtest/gtest.h>

namespace treble::internal {
namespace {

CollapseReport read_of(std::int64_t read, std::int64_t tokens) {
  CollapseReport report;
  report.texts = 50;
  report.truncated_texts = read < tokens ? 20 : 0;
  report.max_length = 256;
  report.position_limit = 512;
  report.text_tokens = tokens;
  report.read_tokens = read;
  return report;
}

TEST(CollapseAdvice, NamesWhatIsNeverReadFromFivePercentOn) {
  EXPECT_TRUE(collapse_advice(read_of(1000, 1000)).empty());
  EXPECT_TRUE(collapse_advice(read_of(951, 1000)).empty());
  const auto advice = collapse_advice(read_of(360, 1000));
  ASSERT_EQ(advice.size(), 2);
  EXPECT_EQ(advice[0],
            "64 % of the tokens are never read (20 of 50 texts have more than 256): encode such texts in pieces "
            "(post step chunk-mean:256), which gained most on labelled sets of long texts (docs/evidence.md)");
}

TEST(CollapseAdvice, ATemperatureIsToBeJudgedWhereCollapseIsVisible) {
  CollapseReport report = read_of(1000, 1000);
  report.findings.compared = true;
  ASSERT_EQ(collapse_advice(report).size(), 1);
  EXPECT_NE(collapse_advice(report)[0].find("stay with 1"), std::string::npos);
  report.findings.visible = true;
  ASSERT_EQ(collapse_advice(report).size(), 1);
  EXPECT_NE(collapse_advice(report)[0].find("treble sweep"), std::string::npos);
}

TEST(CollapseAdvice, SingleFactsAreReadInOnePieceAsFarAsWasMeasured) {
  CollapseReport report = read_of(360, 1000);
  EXPECT_EQ(collapse_advice(report).back(),
            "Where single facts are looked for in text that is otherwise alike, reading it in one piece gained more "
            "(max_length 2048, position extension recur)");
  report.position_limit = 8192;
  EXPECT_NE(collapse_advice(report).back().find("(max_length up to 8192)"), std::string::npos);
  report.max_length = 2048;
  ASSERT_EQ(collapse_advice(report).size(), 1);
  EXPECT_NE(collapse_advice(report)[0].find("chunk-mean:2048"), std::string::npos);
}

TEST(CollapseAdvice, BeyondThePositionsATemperatureIsWorthJudging) {
  CollapseReport report = read_of(1000, 1000);
  report.max_length = 2048;
  report.findings.compared = true;
  EXPECT_NE(collapse_advice(report)[0].find("stay with 1"), std::string::npos);
  report.extended_texts = 7;
  ASSERT_EQ(collapse_advice(report).size(), 1);
  EXPECT_EQ(
      collapse_advice(report)[0],
      "7 of 50 texts are read beyond the model's 512 positions: texts in pieces (post step chunk-mean:512) gained "
      "more than that, and a temperature of 0.8 gained there with all-MiniLM-L6-v2, though not with every model; "
      "judge it with `treble sweep` on labelled texts of this kind (docs/evidence.md)");
  // Pieces are advised once, and are no longer than what the model reads without the extension.
  report.read_tokens = 360;
  ASSERT_EQ(collapse_advice(report).size(), 2);
  EXPECT_NE(collapse_advice(report)[0].find("chunk-mean:512"), std::string::npos);
  EXPECT_NE(collapse_advice(report)[1].find("512 positions: a temperature of 0.8 gained there"), std::string::npos);
  report.read_tokens = 1000;
  // It has one already.
  report.baked_temperature = "0.8";
  EXPECT_NE(collapse_advice(report)[0].find("stay with 1"), std::string::npos);
}

TEST(CollapseAdvice, ModelsWithoutAttentionHearOfNoTemperature) {
  CollapseReport report = read_of(360, 1000);
  report.findings.compared = true;
  report.findings.visible = true;
  report.num_states = 1;
  const auto advice = collapse_advice(report);
  ASSERT_FALSE(advice.empty());
  EXPECT_NE(advice[0].find("never read"), std::string::npos);
  for (const std::string& line : advice) EXPECT_EQ(line.find("temperature"), std::string::npos) << line;
}

TEST(CollapseAdvice, ThereIsNoneForNoTexts) { EXPECT_TRUE(collapse_advice(CollapseReport{}).empty()); }

}  // namespace
}  // namespace treble::internal
