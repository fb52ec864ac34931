#include "treble/tokens.h"

#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <vector>

#include "treble/error.h"

namespace treble {
namespace {

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

}  // namespace
}  // namespace treble
