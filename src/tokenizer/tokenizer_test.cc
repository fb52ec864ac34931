#include "tokenizer/tokenizer.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <clocale>
#include <fstream>
#include <nlohmann/json.hpp>
#include <set>
#include <thread>

#include "treble/error.h"

namespace treble::internal {
namespace {

const std::filesystem::path golden_dir = std::filesystem::path(TREBLE_SOURCE_DIR) / "tests/golden";

/// One folder of tests/golden: texts and the ids that `transformers` gives them.
struct GoldenCase {
  std::string family;
  Tokenizer tokenizer;
  std::vector<std::string> texts;
  std::vector<std::vector<std::int32_t>> ids;
};

std::vector<std::string> families() {
  std::set<std::string> found;
  for (const auto& entry : std::filesystem::directory_iterator(golden_dir)) {
    if (std::filesystem::exists(entry.path() / "cases.json") &&
        std::filesystem::exists(entry.path() / "model/tokenizer.json")) {
      found.insert(entry.path().filename().string());
    }
  }
  return {found.begin(), found.end()};
}

GoldenCase golden(const std::string& family) {
  std::ifstream file(golden_dir / family / "cases.json");
  const nlohmann::json cases = nlohmann::json::parse(file);
  return {family, Tokenizer::from_file(golden_dir / family / "model/tokenizer.json"),
          cases.at("texts").get<std::vector<std::string>>(),
          cases.at("ids").get<std::vector<std::vector<std::int32_t>>>()};
}

template <typename Call>
Error error_of(Call&& call) {
  try {
    call();
  } catch (const Error& error) {
    return error;
  }
  ADD_FAILURE() << "nothing was thrown";
  return Error(ErrorCode::internal, "");
}

bool contains(const Error& error, const std::string& part) {
  return std::string(error.what()).find(part) != std::string::npos;
}

Tokenizer bert(const TokenizerOptions& options = {}) {
  return Tokenizer::from_file(golden_dir / "bert/model/tokenizer.json", options);
}

class Golden : public ::testing::TestWithParam<std::string> {};

TEST_P(Golden, IdsEqualTransformers) {
  const GoldenCase golden_case = golden(GetParam());
  ASSERT_EQ(golden_case.texts.size(), golden_case.ids.size());
  for (std::size_t i = 0; i < golden_case.texts.size(); ++i) {
    const TokenizedText text = golden_case.tokenizer.encode(golden_case.texts[i]);
    EXPECT_EQ(text.ids, golden_case.ids[i]) << golden_case.texts[i];
    EXPECT_EQ(text.num_tokens, text.ids.size());
    EXPECT_EQ(text.prompt_tokens, 0);
  }
}

// The special tokens stay, the text loses its end or its start; rust/tokenizers_ffi compares with the crate's own.
// Every family closes a text with a special token; all but T5 and Qwen open it with one as well.
TEST_P(Golden, TruncationKeepsSpecialTokens) {
  const GoldenCase golden_case = golden(GetParam());
  const std::size_t special = golden_case.tokenizer.num_special_tokens();
  ASSERT_TRUE(special == 1 || special == 2) << special;
  const auto opening = static_cast<std::ptrdiff_t>(special - 1);
  for (std::size_t i = 0; i < golden_case.texts.size(); ++i) {
    const std::vector<std::int32_t>& whole = golden_case.ids[i];
    for (const std::size_t limit : {3u, 4u, 17u, 64u}) {
      const std::size_t kept = std::min(limit, whole.size()) - special;
      std::vector<std::int32_t> head(whole.begin(), whole.begin() + opening + static_cast<std::ptrdiff_t>(kept));
      head.push_back(whole.back());
      std::vector<std::int32_t> tail(whole.end() - 1 - static_cast<std::ptrdiff_t>(kept), whole.end());
      tail.insert(tail.begin(), whole.begin(), whole.begin() + opening);
      const std::string& text = golden_case.texts[i];
      const TokenizedText at_end = golden_case.tokenizer.encode(text, {limit, Truncation::end});
      const TokenizedText at_start = golden_case.tokenizer.encode(text, {limit, Truncation::start});
      EXPECT_EQ(at_end.ids, head) << text << " limit " << limit;
      EXPECT_EQ(at_start.ids, tail) << text << " limit " << limit;
      EXPECT_EQ(at_end.num_tokens, whole.size());
      EXPECT_EQ(at_start.num_tokens, whole.size());
    }
  }
}

TEST_P(Golden, DetailsAgreeWithIds) {
  const GoldenCase golden_case = golden(GetParam());
  for (const std::string& text : golden_case.texts) {
    const TokenizedText plain = golden_case.tokenizer.encode(text, {17});
    const DetailedText details = golden_case.tokenizer.encode_with_details(text, {17});
    const bool opened = golden_case.tokenizer.num_special_tokens() == 2;
    ASSERT_EQ(details.tokens.size(), plain.ids.size());
    EXPECT_EQ(details.num_tokens, plain.num_tokens);
    for (std::size_t i = 0; i < plain.ids.size(); ++i) {
      const TokenDetail& token = details.tokens[i];
      EXPECT_EQ(token.id, plain.ids[i]);
      EXPECT_FALSE(token.token.empty());
      EXPECT_EQ(token.special, (opened && i == 0) || i + 1 == plain.ids.size());
      EXPECT_LE(token.byte_begin, token.byte_end);
      EXPECT_LE(token.byte_end, text.size());
      EXPECT_LE(token.char_end, token.byte_end);
    }
  }
}

TEST_P(Golden, ThreadsShareOneTokenizer) {
  const GoldenCase golden_case = golden(GetParam());
  std::vector<std::thread> threads;
  std::vector<int> differences(8, 0);
  for (std::size_t t = 0; t < differences.size(); ++t) {
    threads.emplace_back([&, t] {
      for (int round = 0; round < 20; ++round) {
        for (std::size_t i = 0; i < golden_case.texts.size(); ++i) {
          const TokenizedText text = golden_case.tokenizer.encode(golden_case.texts[i]);
          differences[t] += text.ids != golden_case.ids[i] ? 1 : 0;
        }
      }
    });
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
  EXPECT_EQ(differences, std::vector<int>(8, 0));
}

std::string test_name(const ::testing::TestParamInfo<std::string>& family) {
  std::string name = family.param;
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
}
INSTANTIATE_TEST_SUITE_P(Families, Golden, ::testing::ValuesIn(families()), test_name);

TEST(Tokenizer, IdsDoNotDependOnTheLocale) {
  const Tokenizer tokenizer = bert();
  const std::string text = "CAFÉ Straße İstanbul 1,5";
  const std::vector<std::int32_t> expected = tokenizer.encode(text).ids;
  for (const char* locale : {"C", "C.UTF-8", "tr_TR.UTF-8", "de_DE.UTF-8"}) {
    std::setlocale(LC_ALL, locale);  // one that is not installed changes nothing
    EXPECT_EQ(tokenizer.encode(text).ids, expected) << locale;
    EXPECT_EQ(bert().encode(text).ids, expected) << locale;
  }
  std::setlocale(LC_ALL, "C");
}

TEST(Tokenizer, LiteralSpecialTokensFollowTheSwitch) {
  const std::int32_t sep = bert().token_to_id("[SEP]").value();
  const std::vector<std::int32_t> special = bert().encode("a [SEP] b").ids;
  const std::vector<std::int32_t> text = bert({.special_tokens_as_text = true}).encode("a [SEP] b").ids;
  EXPECT_EQ(std::count(special.begin(), special.end(), sep), 2);
  EXPECT_EQ(std::count(text.begin(), text.end(), sep), 1);
}

TEST(Tokenizer, LongTextIsAnErrorOnRequestWithBothCounts) {
  const Tokenizer tokenizer = bert();
  const TokenizeOptions options{.max_length = 8, .truncation = Truncation::error};
  EXPECT_EQ(tokenizer.encode("a a a a a a", options).ids.size(), 8u);
  const Error error = error_of([&] { tokenizer.encode("a a a a a a a", options); });
  EXPECT_EQ(error.code(), ErrorCode::text_too_long);
  EXPECT_TRUE(contains(error, "9 tokens") && contains(error, "limit is 8")) << error.what();
}

TEST(Tokenizer, LimitWithoutRoomIsAnError) {
  const Tokenizer tokenizer = bert();
  for (const std::size_t limit : {0u, 1u, 2u}) {
    const Error error = error_of([&] { tokenizer.encode("a", {limit}); });
    EXPECT_EQ(error.code(), ErrorCode::invalid_argument);
    EXPECT_TRUE(contains(error, "no room") && contains(error, "tokenizer.json")) << error.what();
    EXPECT_EQ(error.file(), tokenizer.name());
  }
}

TEST(Tokenizer, InvalidUtf8NamesTheByte) {
  const Tokenizer tokenizer = bert();
  const Error surrogate = error_of([&] { tokenizer.encode("ab\xED\xA0\x80"); });
  EXPECT_EQ(surrogate.code(), ErrorCode::invalid_argument);
  EXPECT_TRUE(contains(surrogate, "0xED at offset 2 of 5")) << surrogate.what();
  EXPECT_TRUE(contains(error_of([&] { tokenizer.encode("a\xFF"); }), "0xFF at offset 1 of 2"));
}

TEST(Tokenizer, FileErrorsNameTheFile) {
  const Error missing = error_of([] { Tokenizer::from_file("/no/such/tokenizer.json"); });
  EXPECT_EQ(missing.code(), ErrorCode::not_found);
  EXPECT_TRUE(contains(missing, "/no/such/tokenizer.json")) << missing.what();
  EXPECT_EQ(missing.file(), "/no/such/tokenizer.json");
  const std::string deep = std::string(100'000, '[') + std::string(100'000, ']');
  for (const std::string& json : {std::string(), std::string("not json"), std::string("{}"), std::string("\0", 1), deep,
                                  std::string(R"({"model":{"type":"Unigram","vocab":[],"unk_id":0}})")}) {
    const Error error = error_of([&] { Tokenizer::from_json(json, "some/tokenizer.json"); });
    EXPECT_EQ(error.code(), ErrorCode::invalid_file);
    EXPECT_TRUE(contains(error, "some/tokenizer.json")) << error.what();
    EXPECT_EQ(error.file(), "some/tokenizer.json");
  }
}

TEST(Tokenizer, TextsThatTheFileHasNoTokenForNameTheFile) {
  const Tokenizer tokenizer = Tokenizer::from_json(
      R"({"version": "1.0", "model": {"type": "WordLevel", "vocab": {"a": 0}, "unk_token": "missing"}})",
      "words/tokenizer.json");
  EXPECT_EQ(tokenizer.encode("a").ids.size(), 1U);
  const Error error = error_of([&] { tokenizer.encode("b"); });
  EXPECT_EQ(error.code(), ErrorCode::invalid_file);
  EXPECT_EQ(error.file(), "words/tokenizer.json");
  EXPECT_TRUE(contains(error, "words/tokenizer.json: the tokenizer cannot process this input")) << error.what();
}

TEST(Tokenizer, PromptTokensAreCountedWithoutTheClosingSpecialToken) {
  const Tokenizer tokenizer = bert();
  EXPECT_EQ(tokenizer.count_prompt_tokens(""), 0);
  EXPECT_EQ(tokenizer.count_prompt_tokens("a a "), 3);
  // Cut as a text is, so that what is kept of a text behind a long prompt is not taken for the prompt.
  EXPECT_EQ(tokenizer.count_prompt_tokens("a a a a a", {.max_length = 4, .truncation = Truncation::start}), 3);
  EXPECT_EQ(tokenizer.count_prompt_tokens("a a a a a", {.max_length = 4, .truncation = Truncation::error}), 6);
}

TEST(Tokenizer, VocabularyAndDecode) {
  const Tokenizer tokenizer = bert();
  const std::int32_t cls = tokenizer.token_to_id("[CLS]").value();
  EXPECT_EQ(tokenizer.id_to_token(cls), "[CLS]");
  EXPECT_TRUE(tokenizer.is_special(cls));
  EXPECT_FALSE(tokenizer.is_special(tokenizer.token_to_id("a").value()));
  EXPECT_FALSE(tokenizer.is_special(-1));
  EXPECT_EQ(tokenizer.token_to_id("no such token"), std::nullopt);
  EXPECT_EQ(tokenizer.id_to_token(1'000'000), std::nullopt);
  EXPECT_EQ(tokenizer.id_to_token(-1), std::nullopt);
  EXPECT_GE(tokenizer.max_token_id() + 1, static_cast<std::int64_t>(tokenizer.vocab_size()));
  EXPECT_EQ(tokenizer.decode(tokenizer.encode("a b").ids), "a b");
  EXPECT_EQ(tokenizer.decode({}), "");
  EXPECT_EQ(error_of([&] { tokenizer.decode(std::vector<std::int32_t>{-5}); }).code(), ErrorCode::invalid_argument);
}

// Ends at all only because the work is not quadratic.
TEST(Tokenizer, TenMegabytesOfOneCharacter) {
  std::string text;
  constexpr std::size_t characters = 10'000'000 / 3;
  for (std::size_t i = 0; i < characters; ++i) {
    text += "漢";
  }
  const TokenizedText result = bert().encode(text, {512});
  EXPECT_EQ(result.ids.size(), 512u);
  EXPECT_EQ(result.num_tokens, characters + 2);
}

}  // namespace
}  // namespace treble::internal
