#include "help_formatter.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <memory>

namespace treble::cli {
namespace {

TEST(Wrapped, ParagraphsAreFilledAndIndentedLinesStay) {
  EXPECT_EQ(wrapped("one two three four", 9), "one two\nthree\nfour");
  EXPECT_EQ(wrapped("one\ntwo", 80), "one two");
  EXPECT_EQ(wrapped("Examples:\n  treble embed a b c d e f", 12), "Examples:\n  treble embed a b c d e f\n");
  EXPECT_EQ(wrapped("aa bb cc", 7, 2), "aa bb\n  cc");
  EXPECT_EQ(wrapped("unbreakable-word", 4), "unbreakable-word");
}

TEST(Wrapped, CountsCharactersNotBytes) { EXPECT_EQ(wrapped("äöü äöü", 7), "äöü äöü"); }

TEST(HelpWidth, FollowsColumnsWithinBounds) {
  for (const auto& [given, width] :
       std::vector<std::pair<const char*, std::size_t>>{{"60", 60}, {"10", 40}, {"500", 100}, {"no number", 80}}) {
    ::setenv("COLUMNS", given, 1);
    EXPECT_EQ(help_width(), width) << given;
  }
  ::unsetenv("COLUMNS");
}

TEST(HelpFormatter, ShowsRangesAndHidesTypes) {
  CLI::App app("A program", "treble");
  app.formatter(std::make_shared<HelpFormatter>(60));
  int threads = 0;
  app.add_option("--threads", threads, "How many")->type_name("N")->check(CLI::Range(0, 8));
  std::string model;
  app.add_option("-m,--model", model, "A folder")->type_name("DIR")->envname("SOME_MODEL")->required();
  const std::string help = app.help();
  EXPECT_NE(help.find("     --threads N        How many ([0 - 8])"), std::string::npos) << help;
  EXPECT_NE(help.find("  -m,--model DIR"), std::string::npos) << help;
  EXPECT_NE(help.find("A folder (required) [$SOME_MODEL]"), std::string::npos) << help;
  EXPECT_EQ(help.find("INT"), std::string::npos) << help;
}

}  // namespace
}  // namespace treble::cli
