#include "model_arguments.h"

#include <gtest/gtest.h>

#include "treble/error.h"

namespace treble::cli {
namespace {

/// What a command with all shared options makes of these arguments.
struct Parsed {
  explicit Parsed(const std::string& arguments) {
    model.add_to(app);
    encode.add_to(app);
    input.add_to(app);
    app.parse(arguments);
  }

  CLI::App app;
  ModelArguments model;
  EncodeArguments encode;
  InputArguments input;
};

TEST(ModelArguments, TypesAndExtensionsHaveNames) {
  EXPECT_EQ(parse_dtype("auto"), ComputeType::automatic);
  EXPECT_EQ(parse_extension("ntk-long"), PositionExtension::ntk_long);
  try {
    parse_dtype("fp8");
    FAIL() << "accepted";
  } catch (const Error& error) {
    EXPECT_EQ(std::string(error.what()), "\"fp8\" is not a compute type; there are auto, bfloat16, float32, int8");
  }
}

TEST(ModelArguments, NothingGivenLeavesTheDefaults) {
  const Parsed parsed("");
  EXPECT_EQ(parsed.model.options.dtype, ComputeType::float32);
  EXPECT_EQ(parsed.model.options.max_length, std::nullopt);
  const EncodeOptions encode = parsed.encode.resolve();
  EXPECT_EQ(encode.normalize, std::nullopt);
  EXPECT_EQ(encode.truncation, std::nullopt);
  EXPECT_EQ(encode.prompt, std::nullopt);
  const InputOptions input = parsed.input.resolve();
  EXPECT_TRUE(input.header);
  EXPECT_EQ(input.delimiter, std::nullopt);
  EXPECT_EQ(input.invalid_utf8, InvalidUtf8::error);
}

TEST(ModelArguments, FlagsSetTheirFields) {
  const Parsed parsed(
      "--model m --max-length 2048 --extend ntk-long --dtype int8 --threads 3 --special-tokens-as-text "
      "--no-normalize --truncate start --dimensions 64 --temper-position-bias false "
      "--delimiter semicolon --no-header --invalid-utf8 replace a.csv b.csv");
  EXPECT_EQ(parsed.model.options.model, "m");
  EXPECT_EQ(parsed.model.options.max_length, 2048);
  EXPECT_EQ(parsed.model.options.extension, PositionExtension::ntk_long);
  EXPECT_EQ(parsed.model.options.dtype, ComputeType::int8);
  EXPECT_EQ(parsed.model.options.threads, 3);
  EXPECT_TRUE(parsed.model.options.special_tokens_as_text);
  const EncodeOptions encode = parsed.encode.resolve();
  EXPECT_EQ(encode.normalize, false);
  EXPECT_EQ(encode.truncation, Truncation::start);
  EXPECT_EQ(encode.dimensions, 64);
  EXPECT_FALSE(encode.temper_position_bias);
  const InputOptions input = parsed.input.resolve();
  EXPECT_EQ(input.delimiter, ';');
  EXPECT_FALSE(input.header);
  EXPECT_EQ(input.invalid_utf8, InvalidUtf8::replace);
  EXPECT_EQ(parsed.input.inputs, (std::vector<std::string>{"a.csv", "b.csv"}));
}

TEST(ModelArguments, ImpossibleDelimitersAreErrors) {
  for (const char* delimiter : {"ab", "\"", "ä"}) {
    InputArguments input;
    input.delimiter = delimiter;
    EXPECT_THROW(input.resolve(), Error) << delimiter;
  }
}

TEST(ModelArguments, PromptsExcludeEachOther) { EXPECT_THROW(Parsed("--prompt a --prompt-name b"), CLI::ParseError); }

TEST(ExtensionWarning, IsForExtensionsThatChangeShortTexts) {
  ModelInfo model;
  model.position_limit = 512;
  model.max_length = 2048;
  model.extension = PositionExtension::ntk;
  EXPECT_NE(extension_warning(model).find("--extend ntk-long leaves texts of up to 512 tokens"), std::string::npos);
  model.extension = PositionExtension::ntk_long;
  EXPECT_EQ(extension_warning(model), "");
  model.extension = PositionExtension::ntk;
  model.max_length = 512;
  EXPECT_EQ(extension_warning(model), "");
}

}  // namespace
}  // namespace treble::cli
