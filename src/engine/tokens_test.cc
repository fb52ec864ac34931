#include "treble/tokens.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <span>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "engine/encoder_access.h"
#include "engine/golden_support.h"
#include "engine/model_copy.h"
#include "treble/error.h"

namespace treble {
namespace {

using internal::test::error_of;
using internal::test::expect_words;
using internal::test::model_path;
using internal::test::ModelCopy;

SentenceEncoder golden_bert() { return SentenceEncoder::load({.model = TREBLE_SOURCE_DIR "/tests/golden/bert/model"}); }

TEST(Tokens, AreAsManyAsTheModelReads) {
  const SentenceEncoder encoder = golden_bert();
  std::string words;
  for (int i = 0; i < 300; ++i) words += "the cat ";
  const std::vector<std::string_view> texts = {"", "the cat", words};
  const auto ids = token_ids(encoder, texts);
  const auto counts = encoder.count_tokens(texts);
  ASSERT_EQ(ids.size(), texts.size());
  for (std::size_t i = 0; i < texts.size(); ++i) EXPECT_EQ(std::ssize(ids[i]), counts[i].used);
  EXPECT_LT(counts.back().used, counts.back().tokens);
  // Special tokens stand at both ends of every text.
  ASSERT_EQ(ids[0].size(), 2U);
  EXPECT_EQ(ids[1].front(), ids[0].front());
  EXPECT_EQ(ids[1].back(), ids[0].back());
}

TEST(Tokens, PromptAndLimitAreTheCalls) {
  const SentenceEncoder encoder = golden_bert();
  const std::vector<std::string_view> text = {"the cat"};
  const std::vector<std::string_view> joined = {"a dog the cat"};
  EXPECT_EQ(token_ids(encoder, text, {.prompt = "a dog "}), token_ids(encoder, joined));
  EXPECT_EQ(token_ids(encoder, text, {.max_length = 3}).front().size(), 3U);
}

TEST(Tokens, ErrorsNameTheText) {
  const SentenceEncoder encoder = golden_bert();
  const std::vector<std::string_view> texts = {"a", "\xff"};
  try {
    token_ids(encoder, texts);
    FAIL() << "invalid UTF-8 was taken";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::invalid_argument);
    EXPECT_EQ(error.text_index(), 1);
  }
}

/// The index that an error blames; -1: none.
std::int64_t blamed(const std::function<void()>& body) {
  try {
    body();
  } catch (const Error& error) {
    return error.text_index().value_or(-1);
  }
  return -1;
}

class TokenIdsOf : public ::testing::TestWithParam<std::pair<const char*, ComputeType>> {};

TEST_P(TokenIdsOf, ATextHaveItsVector) {
  const auto& [family, type] = GetParam();
  const auto encoder = SentenceEncoder::load({.model = model_path(family), .threads = 2, .dtype = type});
  std::string words;
  for (int i = 0; i < 40; ++i) words += "the cat ";
  const std::vector<std::string_view> texts = {"the ferry leaves", "a", words};
  EncodeOptions options;
  options.temperature = Temperature::parse("0.8");
  const Embeddings wanted = encoder.encode(texts, options);
  const Embeddings ours = encode_token_ids(encoder, token_ids(encoder, texts), options);
  EXPECT_EQ(ours.dim, wanted.dim);
  EXPECT_EQ(ours.values, wanted.values);
  for (std::size_t i = 0; i < texts.size(); ++i) EXPECT_EQ(ours.token_counts[i].used, wanted.token_counts[i].used);
}

INSTANTIATE_TEST_SUITE_P(
    Families, TokenIdsOf,
    ::testing::Values(std::pair{"bert", ComputeType::float32}, std::pair{"bert", ComputeType::int8},
                      std::pair{"mpnet", ComputeType::float32}, std::pair{"mpnet", ComputeType::int8},
                      std::pair{"roberta", ComputeType::float32}, std::pair{"t5", ComputeType::float32},
                      std::pair{"qwen3", ComputeType::bfloat16}, std::pair{"gemma3-text", ComputeType::float32}));

TEST(EncodeTokenIds, CutsToTheLimitAndCounts) {
  const SentenceEncoder encoder = golden_bert();
  const std::vector<TokenIds> list = {{5, 6, 7, 8, 9, 10}};
  const auto with = [](Truncation truncation) {
    EncodeOptions options;
    options.max_length = 4;
    options.truncation = truncation;
    return options;
  };
  const Embeddings end = encode_token_ids(encoder, list, with(Truncation::end));
  EXPECT_EQ(end.values, encode_token_ids(encoder, std::vector<TokenIds>{{5, 6, 7, 8}}).values);
  EXPECT_EQ(end.token_counts[0].tokens, 6);
  EXPECT_EQ(end.token_counts[0].used, 4);
  const Embeddings start = encode_token_ids(encoder, list, with(Truncation::start));
  EXPECT_EQ(start.values, encode_token_ids(encoder, std::vector<TokenIds>{{7, 8, 9, 10}}).values);
  const std::vector<TokenIds> two = {{5}, list[0]};
  const auto strict = [&] { encode_token_ids(encoder, two, with(Truncation::error)); };
  expect_words(error_of(strict), {"text_too_long: text 1: ", "6 token ids", "limit is 4"});
  EXPECT_EQ(blamed(strict), 1);
}

/// RoBERTa's padding_idx takes no row of the position table: a list with many of them is read as the text is.
TEST(EncodeTokenIds, PaddingTokensAreLimitedAsInTexts) {
  const ModelCopy model("roberta");
  model.set("sentence_bert_config.json", "max_seq_length", 90);
  const SentenceEncoder encoder = model.load();
  std::string text;
  for (int i = 0; i < 120; ++i) text += i % 8 == 7 ? "<pad>" : " the";
  TokenIds ids;
  const auto tokens = tokenize(encoder, std::vector<std::string_view>{text});
  for (const Token& token : tokens.front()) ids.push_back(token.id);
  for (const Truncation side : {Truncation::end, Truncation::start}) {
    EncodeOptions options;
    options.truncation = side;
    const Embeddings cut = encode_token_ids(encoder, std::vector<TokenIds>{ids}, options);
    const auto used = static_cast<std::size_t>(cut.token_counts[0].used);
    EXPECT_GE(used, 80U);
    const auto kept = side == Truncation::end ? std::span(ids).first(used) : std::span(ids).last(used);
    const auto padding = internal::EncoderAccess::plan(encoder, {}).padding_idx.value();
    EXPECT_EQ(std::ssize(kept) - std::count(kept.begin(), kept.end(), padding), encoder.info().max_length);
  }
}

TEST(EncodeTokenIds, RefusesWhatTheModelCannotRead) {
  const SentenceEncoder encoder = golden_bert();
  const auto size = static_cast<std::int32_t>(encoder.info().vocab_size);
  const auto encode = [&](const TokenIds& second) {
    return [&encoder, second] { encode_token_ids(encoder, std::vector<TokenIds>{{5}, second}); };
  };
  encode({0, size - 1})();
  expect_words(error_of(encode({})), {"invalid_argument: text 1: ", "empty"});
  expect_words(error_of(encode({5, size})), {"invalid_argument: text 1: ", std::to_string(size), "place 1"});
  expect_words(error_of(encode({-1})), {"invalid_argument: text 1: ", "-1", "place 0"});
  for (const TokenIds& wrong : {TokenIds{}, TokenIds{size}, TokenIds{-7}}) EXPECT_EQ(blamed(encode(wrong)), 1);
  EXPECT_EQ(encode_token_ids(encoder, {}).count, 0);
}

TEST(EncodeTokenIds, RefusesPromptsAndNamesTheWayOut) {
  const ModelCopy model("bert");
  model.set("config_sentence_transformers.json", "prompts", {{"query", "a dog "}});
  model.set("config_sentence_transformers.json", "default_prompt_name", "query");
  const SentenceEncoder encoder = model.load();
  const std::vector<TokenIds> lists = {{5, 6}};
  const auto with = [&](const EncodeOptions& options) {
    return error_of([&] { encode_token_ids(encoder, lists, options); });
  };
  expect_words(with({}), {"invalid_argument: ", "default prompt", "a dog", "prompt_name"});
  expect_words(with({.prompt_name = "query"}), {"invalid_argument: ", "a dog"});
  expect_words(with({.prompt = "x: "}), {"invalid_argument: ", "x: "});
  EXPECT_EQ(with({.prompt_name = ""}), "no error");
}

TEST(Tokenize, SaysWhereEachTokenComesFrom) {
  const SentenceEncoder encoder = golden_bert();
  const std::vector<std::string_view> texts = {"", "é the CAT"};
  const auto all = tokenize(encoder, texts, {.prompt = "a "});
  const auto ids = token_ids(encoder, texts, {.prompt = "a "});
  ASSERT_EQ(all.size(), 2U);
  const std::string joined = "a é the CAT";
  for (std::size_t i = 0; i < texts.size(); ++i) {
    ASSERT_EQ(all[i].size(), ids[i].size());
    for (std::size_t t = 0; t < ids[i].size(); ++t) EXPECT_EQ(all[i][t].id, ids[i][t]);
  }
  std::string together;
  for (const Token& token : all[1]) {
    if (token.special) continue;
    EXPECT_EQ(token.text, joined.substr(static_cast<std::size_t>(token.byte_begin),
                                        static_cast<std::size_t>(token.byte_end - token.byte_begin)));
    together += token.text;
  }
  EXPECT_EQ(together, "aétheCAT");
  EXPECT_EQ(all[1].front().text, "[CLS]");
  EXPECT_TRUE(all[1].front().special);
  EXPECT_EQ(all[1].front().byte_end, 0);
  // Behind the two bytes of é.
  const Token& last = all[1][all[1].size() - 2];
  EXPECT_EQ(last.byte_end, 12);
  EXPECT_EQ(last.char_end, 11);
}

TEST(Tokenize, WithoutSpecialTokensAndBeyondTheLimit) {
  const SentenceEncoder encoder = golden_bert();
  std::string words;
  for (int i = 0; i < 300; ++i) words += "the cat ";
  const std::vector<std::string_view> texts = {words};
  const auto whole = tokenize(encoder, texts).front();
  EXPECT_EQ(std::ssize(whole), encoder.count_tokens(texts)[0].tokens);
  const auto plain = tokenize(encoder, texts, {.add_special_tokens = false}).front();
  EXPECT_EQ(plain.size(), whole.size() - 2);
  for (const Token& token : plain) EXPECT_FALSE(token.special);
}

TEST(Tokenize, ErrorsNameTheTextAndThePrompt) {
  const SentenceEncoder encoder = golden_bert();
  const std::vector<std::string_view> texts = {"a", "\xff"};
  EXPECT_EQ(blamed([&] { tokenize(encoder, texts); }), 1);
  expect_words(error_of([&] { tokenize(encoder, texts, {.prompt_name = "none such"}); }), {"not_found: ", "none such"});
}

TEST(Decode, IsTheTextOfTheTokens) {
  const SentenceEncoder encoder = golden_bert();
  const TokenIds ids = token_ids(encoder, std::vector<std::string_view>{"a b"}).front();
  EXPECT_EQ(decode(encoder, ids), "a b");
  EXPECT_EQ(decode(encoder, ids, false), "[CLS] a b [SEP]");
  EXPECT_EQ(decode(encoder, {}), "");
  const TokenIds unknown = {ids[0], static_cast<std::int32_t>(encoder.info().vocab_size)};
  expect_words(error_of([&] { decode(encoder, unknown); }), {"invalid_argument: ", "place 1", "vocabulary"});
  EXPECT_EQ(error_of([&] { decode(encoder, TokenIds{-1}); }).find("invalid_argument: "), 0U);
}

TEST(Decode, RefusesIdsThatTheTokenizerHasNoTokenFor) {
  const ModelCopy model("bert");
  auto tokenizer = internal::parse_json_file(model.path() / "tokenizer.json");
  auto& vocabulary = tokenizer.at("model").at("vocab");
  const SentenceEncoder whole = golden_bert();
  const auto last = static_cast<std::int32_t>(whole.info().vocab_size) - 1;
  const auto found = std::find_if(vocabulary.begin(), vocabulary.end(), [&](const auto& id) { return id == last; });
  ASSERT_NE(found, vocabulary.end());
  const std::string name = found.key();
  EXPECT_EQ(decode(whole, TokenIds{5, last}).empty(), false);
  vocabulary.erase(name);
  model.write("tokenizer.json", tokenizer.dump());
  const SentenceEncoder encoder = model.load();
  expect_words(
      error_of([&] { decode(encoder, TokenIds{5, last}); }),
      {"invalid_argument: ", "token id " + std::to_string(last), "place 1", std::to_string(last + 1) + " rows"});
  EXPECT_EQ(encode_token_ids(encoder, std::vector<TokenIds>{{5, last}}).count, 1);
}

TEST(Tokenize, PlacesAreWholeCharacters) {
  // Byte-level BPE divides a character among tokens: each has all of it.
  const auto encoder = SentenceEncoder::load({.model = model_path("roberta"), .threads = 1});
  const std::string text = "tea \xf0\x9f\x8d\xb5 now";
  const auto tokens = tokenize(encoder, std::vector<std::string_view>{text}).front();
  for (const Token& token : tokens) {
    const auto starts = [&](std::int64_t byte) {
      const auto at = static_cast<std::size_t>(byte);
      return at == text.size() || (static_cast<unsigned char>(text[at]) & 0xc0U) != 0x80U;
    };
    EXPECT_TRUE(starts(token.byte_begin) && starts(token.byte_end)) << token.byte_begin << " " << token.byte_end;
  }
  const auto is_tea = [](const Token& token) { return token.text == "\xf0\x9f\x8d\xb5"; };
  EXPECT_TRUE(std::any_of(tokens.begin(), tokens.end(), is_tea));
}

TEST(TokenEmbeddingsOf, LongTextsSayWhatWasCutAndNothingIsNaN) {
  const SentenceEncoder encoder = golden_bert();
  std::string words;
  for (int i = 0; i < 300; ++i) words += "the cat ";
  const std::vector<std::string_view> texts = {"a", words};
  const auto states = token_embeddings(encoder, texts);
  const auto counts = encoder.count_tokens(texts);
  for (std::size_t i = 0; i < texts.size(); ++i) {
    EXPECT_EQ(states[i].count.tokens, counts[i].tokens);
    EXPECT_EQ(states[i].count.used, counts[i].used);
    EXPECT_EQ(states[i].count.used, states[i].num_tokens);
  }
  EXPECT_GT(states[1].count.tokens, states[1].count.used);
  // Logits that overflow give NaN.
  const std::vector<std::string_view> two = {"", "the cat sat there"};
  const auto overflow = [&] { token_embeddings(encoder, two, {.temperature = Temperature::constant(1e-38)}); };
  EXPECT_EQ(error_of(overflow).find("non_finite: text "), 0U) << error_of(overflow);
  EXPECT_GE(blamed(overflow), 0);
}

TEST(TokenEmbeddingsOf, TextsPoolToTheirVectors) {
  const SentenceEncoder encoder = golden_bert();
  const std::vector<std::string_view> texts = {"the ferry leaves", "a"};
  EncodeOptions options;
  options.normalize = false;
  std::vector<std::int64_t> reported;
  options.progress = [&](const Progress& progress) { reported.push_back(progress.done); };
  const auto states = token_embeddings(encoder, texts, options);
  EXPECT_EQ(reported, (std::vector<std::int64_t>{0, 1, 2}));
  const Embeddings vectors = encoder.encode(texts, options);
  const auto counts = encoder.count_tokens(texts);
  ASSERT_EQ(states.size(), 2U);
  for (std::size_t i = 0; i < texts.size(); ++i) {
    ASSERT_EQ(states[i].num_tokens, counts[i].used);
    ASSERT_EQ(states[i].dim, encoder.info().hidden_size);
    ASSERT_EQ(std::ssize(states[i].values), states[i].num_tokens * states[i].dim);
    for (std::int64_t d = 0; d < states[i].dim; ++d) {
      double sum = 0;
      for (std::int64_t token = 0; token < states[i].num_tokens; ++token) {
        sum += double{states[i].values[static_cast<std::size_t>(token * states[i].dim + d)]};
      }
      EXPECT_NEAR(sum / static_cast<double>(states[i].num_tokens),
                  double{vectors.row(static_cast<std::int64_t>(i))[static_cast<std::size_t>(d)]}, 1e-5);
    }
  }
}

TEST(TokenEmbeddingsOf, IdsAreReadAsTheyAre) {
  const SentenceEncoder encoder = golden_bert();
  std::string words;
  for (int i = 0; i < 300; ++i) words += "the cat ";
  const std::vector<std::string_view> texts = {"the ferry leaves", words, "a"};
  const auto expected = token_embeddings(encoder, texts);
  auto lists = token_ids(encoder, texts);
  const auto got = token_embeddings(encoder, lists);
  ASSERT_EQ(got.size(), expected.size());
  for (std::size_t i = 0; i < got.size(); ++i) {
    EXPECT_EQ(got[i].values, expected[i].values);
    EXPECT_EQ(got[i].num_tokens, expected[i].num_tokens);
    EXPECT_EQ(got[i].count.used, expected[i].count.used);
  }
  lists[1].insert(lists[1].end(), {5, 6, 7});
  const auto cut = token_embeddings(encoder, lists, {.truncation = Truncation::end});
  EXPECT_EQ(cut[1].values, expected[1].values);
  EXPECT_EQ(cut[1].count.tokens, cut[1].count.used + 3);
  EXPECT_EQ(blamed([&] { token_embeddings(encoder, lists, {.truncation = Truncation::error}); }), 1);
  lists[2] = {5, 1'000'000};
  EXPECT_EQ(blamed([&] { token_embeddings(encoder, lists); }), 2);
  lists[0] = {};
  EXPECT_EQ(blamed([&] { token_embeddings(encoder, lists); }), 0);
  expect_words(error_of([&] { token_embeddings(encoder, std::vector<TokenIds>{{5}}, {.prompt = "query: "}); }),
               {"invalid_argument: ", "query: "});
}

TEST(TokenEmbeddingsOf, StopsAndErrorsAreThoseOfTheCall) {
  const SentenceEncoder encoder = golden_bert();
  const std::vector<std::string_view> texts = {"a", "\xff"};
  EXPECT_EQ(blamed([&] { token_embeddings(encoder, texts); }), 1);
  std::stop_source stop;
  stop.request_stop();
  EncodeOptions options;
  options.stop = stop.get_token();
  EXPECT_EQ(error_of([&] { token_embeddings(encoder, texts, options); }).find("interrupted: "), 0U);
}

}  // namespace
}  // namespace treble
