// How long a text may be: the limits that sentence-transformers 6.2 gives for the same folders.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "engine/model_copy.h"

namespace treble::internal {
namespace {

using nlohmann::json;
using test::error_of;
using test::expect_words;
using test::ModelCopy;

/// "tokens by source".
std::string limit_of(const ModelCopy& model) {
  const auto info = model.load().info();
  return std::to_string(info.max_length) + " by " + info.max_length_source;
}

TEST(LengthLimit, TheModulesOwnWinsOverTheTokenizers) {
  const ModelCopy model("bert");
  const std::string own = "64 by max_seq_length of sentence_bert_config.json";
  EXPECT_EQ(limit_of(model), own);
  model.set("tokenizer_config.json", "model_max_length", 16);
  EXPECT_EQ(limit_of(model), own);
  model.set("sentence_bert_config.json", "tokenizer_args", {{"model_max_length", 30}});
  EXPECT_EQ(limit_of(model), "30 by model_max_length of sentence_bert_config.json");
  model.set("sentence_bert_config.json", "processing_kwargs", {{"text", {{"max_length", 8}}}});
  EXPECT_EQ(limit_of(model), "8 by max_length of sentence_bert_config.json");
  model.set("sentence_bert_config.json", "processing_kwargs",
            {{"text", {{"max_length", 8}}}, {"common", {{"max_length", 9}}}});
  EXPECT_EQ(limit_of(model), "9 by max_length of sentence_bert_config.json");
}

TEST(LengthLimit, WithoutItsOwnTheTokenizersOrThePositionsCount) {
  const ModelCopy model("bert");  // 96 positions
  model.set("sentence_bert_config.json", "max_seq_length", nullptr);
  model.set("tokenizer_config.json", "model_max_length", 40);
  EXPECT_EQ(limit_of(model), "40 by model_max_length of tokenizer_config.json");
  model.set("tokenizer_config.json", "model_max_length", 1e30);
  EXPECT_EQ(limit_of(model), "96 by max_position_embeddings of config.json");
  model.erase("tokenizer_config.json");
  EXPECT_EQ(limit_of(model), "96 by max_position_embeddings of config.json");
}

TEST(LengthLimit, APositionTableCutsEveryLimit) {
  const ModelCopy model("bert");
  model.set("sentence_bert_config.json", "max_seq_length", 512);
  EXPECT_EQ(limit_of(model), "96 by the position table");
  expect_words(model.warning(), {"max_seq_length of sentence_bert_config.json is 512", "96 tokens"});
  // RoBERTa's table has two rows that no token gets.
  const ModelCopy roberta("xlm-roberta");
  const auto rows = parse_json_file(roberta.path() / "config.json").at("max_position_embeddings").get<std::int64_t>();
  roberta.set("tokenizer_config.json", "model_max_length", 1e30);
  EXPECT_EQ(limit_of(roberta), std::to_string(rows - 2) + " by the position table");
  EXPECT_TRUE(roberta.load().info().warnings.empty());
}

TEST(LengthLimit, WithoutATableNoNumberIsALimitButTheModelsOwn) {
  const ModelCopy rotary("qwen3");
  const auto positions =
      parse_json_file(rotary.path() / "config.json").at("max_position_embeddings").get<std::int64_t>();
  rotary.set("sentence_bert_config.json", "max_seq_length", nullptr);
  EXPECT_EQ(limit_of(rotary), std::to_string(positions) + " by max_position_embeddings of config.json");
  rotary.set("sentence_bert_config.json", "max_seq_length", 4 * positions);
  EXPECT_EQ(limit_of(rotary), std::to_string(4 * positions) + " by max_seq_length of sentence_bert_config.json");
  EXPECT_EQ(rotary.load().info().position_limit, 4 * positions);

  const ModelCopy relative("t5");
  relative.set("sentence_bert_config.json", "max_seq_length", nullptr);
  EXPECT_EQ(limit_of(relative), "131072 by Treble's maximum, as the model has no limit");
  relative.set("tokenizer_config.json", "model_max_length", 700);
  EXPECT_EQ(limit_of(relative), "700 by model_max_length of tokenizer_config.json");
}

/// Rotary positions beyond max_position_embeddings go on as within: a longer limit of config.json changes nothing.
TEST(LengthLimit, RotaryPositionsGoOnBeyondTheStatedOnes) {
  const ModelCopy model("qwen3");
  const auto positions =
      parse_json_file(model.path() / "config.json").at("max_position_embeddings").get<std::int64_t>();
  model.set("sentence_bert_config.json", "max_seq_length", 2 * positions);
  std::string text;
  for (std::int64_t i = 0; i < 3 * positions / 2; ++i) text += "a ";
  const std::vector<std::string_view> texts = {text};
  const auto beyond = model.load().encode(texts);
  EXPECT_GT(beyond.token_counts.front().used, positions);
  model.set("config.json", "max_position_embeddings", 2 * positions);
  EXPECT_EQ(beyond.values, model.load().encode(texts).values);
}

TEST(LengthLimit, SenselessNumbersAreErrors) {
  for (const json& value : {json(0), json(-5), json(1.5), json("64"), json(true), json::array({64})}) {
    const ModelCopy model("bert");
    model.set("sentence_bert_config.json", "max_seq_length", value);
    expect_words(model.load_error(), {"invalid_file: ", "sentence_bert_config.json", "max_seq_length"});
  }
}

TEST(LengthLimit, EveryNameOfTheFileIsRead) {
  for (const char* name : {"roberta", "distilbert", "camembert", "albert", "xlm-roberta", "xlnet"}) {
    const ModelCopy model("bert");
    model.write("sentence_bert_config.json", "{}");
    const std::string file = std::string("sentence_") + name + "_config.json";
    model.write(file, R"({"max_seq_length":20})");
    EXPECT_EQ(limit_of(model), "20 by max_seq_length of " + file);
  }
  const ModelCopy model("bert");
  model.write("sentence_mpnet_config.json", R"({"max_seq_length":20})");
  EXPECT_EQ(limit_of(model), "64 by max_seq_length of sentence_bert_config.json");
  expect_words(model.warning(), {"sentence_mpnet_config.json", "not read"});
}

TEST(LengthLimit, APromptThatFillsItIsAnError) {
  const ModelCopy model("bert");
  const auto encoder = model.load();
  EncodeOptions options;
  options.prompt = std::string("a a a a a a ");
  options.max_length = 8;  // six tokens, and the special ones
  const std::vector<std::string_view> texts = {"the ferry"};
  expect_words(error_of([&] { encoder.encode(texts, options); }),
               {"invalid_argument: ", "the prompt", "8 tokens", "nothing of any text"});
  options.max_length = 9;
  EXPECT_EQ(encoder.encode(texts, options).token_counts.front().used, 9);
}

}  // namespace
}  // namespace treble::internal
