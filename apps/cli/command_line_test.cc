#include "command_line.h"

#include <gtest/gtest.h>

namespace treble::cli {
namespace {

/// A program with one command, `embed`.
class CommandLine : public ::testing::Test {
 protected:
  CommandLine() : app_("", "treble") {
    CLI::App* embed = app_.add_subcommand("embed", "");
    embed->add_option("-o,--output", output_)->type_name("FILE");
    embed->add_option("--prompt", prompt_)->type_name("TEXT");
    embed->add_flag("-q,--quiet", quiet_);
    app_.add_subcommand("inspect", "");
  }

  std::vector<std::string> prepare(std::vector<const char*> arguments) const {
    arguments.insert(arguments.begin(), "treble");
    return prepare_arguments(app_, static_cast<int>(arguments.size()), arguments.data());
  }
  std::string refusal(std::vector<const char*> arguments) const {
    try {
      prepare(std::move(arguments));
    } catch (const CLI::ParseError& error) {
      return error.what();
    }
    return "no error";
  }

  CLI::App app_;
  std::string output_;
  std::string prompt_;
  bool quiet_ = false;
};

using Arguments = std::vector<std::string>;

TEST_F(CommandLine, OptionsWithValuesStayAsTheyAre) {
  EXPECT_EQ(prepare({"embed", "-o", "a.npy", "--quiet", "x"}), (Arguments{"embed", "-o", "a.npy", "--quiet", "x"}));
  EXPECT_EQ(prepare({"embed", "--output=a.npy"}), (Arguments{"embed", "--output=a.npy"}));
}

TEST_F(CommandLine, AnEmptyValueBelongsToItsOption) {
  EXPECT_EQ(prepare({"embed", "--prompt=", "x"}), (Arguments{"embed", "--prompt", "", "x"}));
  EXPECT_EQ(refusal({"embed", "--output="}), "--output has an empty value; give it one, or leave it out");
  EXPECT_EQ(refusal({"embed", "-o", ""}), "--output has an empty value; give it one, or leave it out");
  EXPECT_EQ(refusal({"embed", "--quiet="}), "--quiet= has no value; write --quiet alone");
}

TEST_F(CommandLine, ValuesAndWhatFollowsTwoDashesAreNoOptions) {
  EXPECT_EQ(prepare({"embed", "-o", "--nothing"}), (Arguments{"embed", "-o", "--nothing"}));
  EXPECT_EQ(prepare({"embed", "--", "--nothing"}), (Arguments{"embed", "--", "--nothing"}));
}

TEST_F(CommandLine, TyposGetASuggestion) {
  EXPECT_EQ(refusal({"embde"}), "there is no command \"embde\"; did you mean embed?");
  EXPECT_EQ(refusal({"embed", "--ouptut", "x"}), "embed has no option --ouptut; did you mean --output?");
  EXPECT_EQ(refusal({"embed", "--zzzzzzzz"}), "embed has no option --zzzzzzzz");
  EXPECT_EQ(refusal({}), "name a command: embed, inspect");
}

TEST(OneOf, SaysWhatThereIs) {
  const CLI::Validator validator = one_of({"end", "start", "error"});
  EXPECT_EQ(validator("start"), "");
  EXPECT_EQ(validator("strat"), "\"strat\" is none of end, start, error; did you mean start?");
}

}  // namespace
}  // namespace treble::cli
