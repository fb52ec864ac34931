#include "progress.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace treble::cli {
namespace {

TEST(ProgressText, NumbersAreGroupedAndCounted) {
  EXPECT_EQ(grouped(0), "0");
  EXPECT_EQ(grouped(999), "999");
  EXPECT_EQ(grouped(-1234567), "-1,234,567");
  EXPECT_EQ(counted(1, "text"), "1 text");
  EXPECT_EQ(counted(2000, "text"), "2,000 texts");
}

TEST(ProgressText, ARateOfSlowWorkIsNotZero) {
  EXPECT_EQ(rate(12, 25), "0.48");
  EXPECT_EQ(rate(3, 900), "0.0033");
  EXPECT_EQ(rate(99, 10), "9.9");
  EXPECT_EQ(rate(106, 10), "11");
  EXPECT_EQ(rate(1234567, 1), "1,234,567");
  EXPECT_EQ(rate(0, 5), "0");
  EXPECT_EQ(rate(5, 0), "0");
}

TEST(ProgressText, DurationsAreRoundedUp) {
  EXPECT_EQ(short_duration(-3), "0 s");
  EXPECT_EQ(short_duration(11.2), "12 s");
  EXPECT_EQ(short_duration(65), "1:05");
  EXPECT_EQ(short_duration(7384), "2:03:04");
}

TEST(ProgressText, ALineHasShareRatesAndTimeLeft) {
  ProgressState state = {
      .texts = 1000, .tokens = 20000, .bytes_read = 50, .bytes_at_start = 0, .total_bytes = 100, .seconds = 10};
  EXPECT_EQ(progress_line(state, 100),
            " 50 % [##########----------] 1,000 texts, 100 texts/s, 2,000 tokens/s, 10 s left");
  state.total_bytes.reset();
  EXPECT_EQ(progress_line(state, 100), "1,000 texts, 100 texts/s, 2,000 tokens/s");
  EXPECT_EQ(progress_line(state, 8), "1,000 t");
}

TEST(ProgressText, TimeLeftDoesNotCountWhatEarlierRunsDid) {
  const ProgressState state = {
      .texts = 10, .tokens = 100, .bytes_read = 90, .bytes_at_start = 80, .total_bytes = 100, .seconds = 5};
  EXPECT_NE(progress_line(state, 100).find("5 s left"), std::string::npos) << progress_line(state, 100);
}

TEST(ProgressText, WorkIsAShareOrACount) {
  EXPECT_EQ(work_line({"encoding", 30, 40}, 60, 100), " 75 % [###############-----] encoding, 0.5 texts/s, 20 s left");
  EXPECT_EQ(work_line({"encoding", 30, 40}, 3, 100), " 75 % [###############-----] encoding, 10 texts/s, 1 s left");
  EXPECT_EQ(work_line({"reading", 1, 0}, 0, 100), "reading: 1 text");
  EXPECT_EQ(work_line({"encoding", 50, 40}, 0, 100).substr(0, 5), "100 %");
}

/// A line whose clock and terminal are in the test's hands.
class Line : public ::testing::Test {
 protected:
  double now_ = 0;
  std::vector<std::string> written_;
  ProgressLine::Sink sink_ = [this](std::string_view text) { written_.emplace_back(text); };
  ProgressLine::Clock clock_ = [this] { return now_; };
};

TEST_F(Line, IsDrawnAtMostTenTimesASecondAndGoneAtTheEnd) {
  {
    ProgressLine line(sink_, clock_, 80);
    for (int i = 0; i < 100; ++i) {
      now_ = i * 0.01;
      line.update(Progress{"reading", i, 0}, now_);
    }
    EXPECT_GE(written_.size(), 9U);
    EXPECT_LE(written_.size(), 11U);
    EXPECT_EQ(written_.front().substr(0, 4), "\r\x1b[K");
  }
  EXPECT_EQ(written_.back(), "\r\x1b[K");
}

TEST_F(Line, WritesNothingUnlessDrawn) {
  {
    ProgressLine line(sink_, clock_, 80);
  }
  EXPECT_TRUE(written_.empty());
  ProgressLine silent(nullptr, nullptr, 0);
  silent.update(Progress{"reading", 1, 2}, 1);
  silent.clear();
}

}  // namespace
}  // namespace treble::cli
