// A long text is tokenized in pieces, and has the tokens that it has as a whole: for each kind of tokenizer, random
// texts cut wherever that is allowed.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <limits>
#include <nlohmann/json.hpp>
#include <random>

#include "tokenizer/tokenizer.h"
#include "treble/error.h"

namespace treble::internal {
namespace {

namespace fs = std::filesystem;

const fs::path golden_dir = fs::path(TREBLE_SOURCE_DIR) / "tests/golden";
constexpr std::size_t kNoWindow = std::numeric_limits<std::size_t>::max() / 4;

/// Words, scripts, punctuation, white space, added tokens and marks, in an order of chance.
std::string random_text(std::mt19937& chance) {
  static const std::vector<std::string> pieces = {"the",    "ferry",     "Harbour", " ",
                                                  " ",      " ",         " ",       "  ",
                                                  "\n",     "\t",        ".",       ",",
                                                  "!",      "(",         "'s",      "'",
                                                  "12345",  "3",         "漢",      "字",
                                                  "山",     "水",        "山水",    "漢字",
                                                  "かな",   "한국",      "été",     "Straße",
                                                  "Ж",      "ش",         "न",       "ा",
                                                  "\u0301", "</s>",      "[SEP]",   "<s>",
                                                  "[MASK]", "<mask>",    "<pad>",   "。",
                                                  "、",     "▁",         "``",      "½",
                                                  "ﬁ",      "İ",         "😀",      "\u200d",
                                                  "a",      "b c d e f", "x y",     "<|endoftext|>"};
  std::string text;
  const std::size_t count = 1 + chance() % 60;
  for (std::size_t i = 0; i < count; ++i) text += pieces[chance() % pieces.size()];
  return text;
}

struct Kind {
  std::string name;
  Tokenizer tokenizer;
};

/// tokenizer.json with some of its parts replaced.
Tokenizer changed(const std::string& family, const nlohmann::json& parts) {
  std::ifstream file(golden_dir / family / "model/tokenizer.json");
  nlohmann::json json = nlohmann::json::parse(file);
  json.update(parts);
  return Tokenizer::from_json(json.dump(), family + " changed");
}

/// A vocabulary that has Chinese characters, and some of them side by side.
Tokenizer with_chinese(const std::string& family) {
  std::ifstream file(golden_dir / family / "model/tokenizer.json");
  nlohmann::json json = nlohmann::json::parse(file);
  nlohmann::json& model = json["model"];
  const std::vector<std::string> tokens = {"漢", "字", "山", "水", "漢字", "山水", "水山漢"};
  if (model["type"] == "Unigram") {
    double score = -5;
    for (const std::string& token : tokens) model["vocab"].push_back({token, score -= 0.37});
  } else {
    // Above the added tokens.
    std::int64_t id = 5000;
    for (const std::string& token : tokens) model["vocab"][token] = id++;
    const bool pairs = !model["merges"].empty() && model["merges"].front().is_array();
    const auto merge = [&](const char* left, const char* right) {
      model["merges"].push_back(pairs ? nlohmann::json{left, right} : nlohmann::json(std::string(left) + " " + right));
    };
    merge("漢", "字");
    merge("山", "水");
    model["vocab"]["水山"] = id;
    merge("水", "山");
    merge("水山", "漢");
  }
  return Tokenizer::from_json(json.dump(), family + " with Chinese");
}

/// Every family as it is, and forms that published files have besides.
std::vector<Kind> kinds() {
  std::vector<Kind> result;
  for (const auto& entry : fs::directory_iterator(golden_dir)) {
    const fs::path model = entry.path() / "model";
    if (fs::exists(model / "tokenizer.json"))
      result.push_back({entry.path().filename(), Tokenizer::from_folder(model)});
  }
  const nlohmann::json metaspace = {
      {"type", "Metaspace"}, {"replacement", "▁"}, {"prepend_scheme", "first"}, {"split", true}};
  nlohmann::json unsplit = metaspace;
  unsplit["split"] = false;
  const nlohmann::json bytes = {
      {"type", "ByteLevel"}, {"add_prefix_space", true}, {"trim_offsets", true}, {"use_regex", true}};
  const nlohmann::json uncased = {{"type", "BertNormalizer"},
                                  {"clean_text", true},
                                  {"handle_chinese_chars", false},
                                  {"strip_accents", false},
                                  {"lowercase", false}};
  result.push_back({"first metaspace", changed("xlm-roberta", {{"pre_tokenizer", metaspace}})});
  result.push_back({"unsplit Unigram", changed("xlm-roberta", {{"pre_tokenizer", unsplit}})});
  result.push_back({"Llama 2", changed("mistral", {{"normalizer", nullptr}, {"pre_tokenizer", unsplit}})});
  result.push_back({"prefix space", changed("roberta", {{"pre_tokenizer", bytes}})});
  result.push_back({"no Chinese", changed("bert", {{"normalizer", uncased}})});
  result.push_back({"no pre-tokenizer", changed("roberta", {{"pre_tokenizer", nullptr}})});
  for (const char* family : {"xlm-roberta", "t5", "albert"}) {
    result.push_back({std::string(family) + " with Chinese", with_chinese(family)});
  }
  for (const char* family : {"mistral", "gemma3-text", "llama"}) {
    result.push_back({std::string(family) + " with Chinese", with_chinese(family)});
  }
  return result;
}

/// An added token that could reach across a place, in each way.
std::vector<Kind> kinds_with_reaching_tokens() {
  std::vector<Kind> result;
  const nlohmann::json plain = {{"id", 1000},      {"content", "y b"},    {"single_word", false}, {"lstrip", false},
                                {"rstrip", false}, {"normalized", false}, {"special", false}};
  for (const std::string family : {"bert", "roberta", "xlm-roberta", "mistral", "gemma3-text"}) {
    const auto with = [&](const std::string& what, const nlohmann::json& changes) {
      std::ifstream file(golden_dir / family / "model/tokenizer.json");
      nlohmann::json json = nlohmann::json::parse(file);
      nlohmann::json token = plain;
      token.update(changes);
      json["added_tokens"].push_back(token);
      result.push_back({family + ", " + what, Tokenizer::from_json(json.dump(), what)});
    };
    with("across a space", {{"content", "e f"}});
    with("right of a space", {{"content", " x"}, {"single_word", true}});
    with("takes spaces after", {{"content", "the"}, {"rstrip", true}});
    with("takes spaces before", {{"content", "b"}, {"lstrip", true}});
    with("across Chinese", {{"content", "漢字"}});
    with("across punctuation", {{"content", "the."}, {"normalized", true}});
    with("a word", {{"content", "ferry"}, {"single_word", true}, {"normalized", true}});
  }
  return result;
}

void expect_same_tokens(const Kind& kind, std::uint32_t seed, int texts) {
  std::mt19937 chance(seed);
  for (int i = 0; i < texts; ++i) {
    const std::string text = random_text(chance);
    TokenizeOptions options;
    if (chance() % 3 != 0) options.max_length = 3 + chance() % 20;
    options.truncation = chance() % 2 == 0 ? Truncation::start : Truncation::end;
    options.window_bytes = kNoWindow;
    const TokenizedText whole = kind.tokenizer.encode(text, options);
    for (const std::size_t window : {1, 5, 16}) {
      options.window_bytes = window;
      const TokenizedText pieces = kind.tokenizer.encode(text, options);
      ASSERT_EQ(pieces.ids, whole.ids) << kind.name << ", window " << window << ": " << text;
      ASSERT_EQ(pieces.num_tokens, whole.num_tokens) << kind.name << ", window " << window << ": " << text;
    }
  }
}

TEST(TokenizerWindow, PiecesHaveTheTokensOfTheWhole) {
  for (const Kind& kind : kinds()) expect_same_tokens(kind, 16, 120);
}

// Without a space anywhere, as Chinese, Japanese and Thai are written and as base64 is.
TEST(TokenizerWindow, WordsWithoutEndAreCutWhereNoTokenReaches) {
  const std::vector<std::string> pieces = {"漢",  "字",     "山",      "水", "山水", "漢字", "火", "a", "Q",
                                           "zq",  "x7",     "42",      "か", "な",   "カ",   "ガ", "ก", "า",
                                           "한",  "é",      "e\u0301", "İ",  "'s",   "'ll",  "’",  "ﬁ", "the",
                                           "ing", "<mask>", "[SEP]",   "。", "▁",    "ß"};
  std::vector<Kind> all = kinds();
  for (Kind& kind : kinds_with_reaching_tokens()) all.push_back(std::move(kind));
  for (const Kind& kind : all) {
    std::mt19937 chance(18);
    for (int i = 0; i < 60; ++i) {
      std::string text;
      for (std::size_t n = 1 + chance() % 120; n > 0; --n) text += pieces[chance() % pieces.size()];
      TokenizeOptions options;
      options.window_bytes = kNoWindow;
      const TokenizedText whole = kind.tokenizer.encode(text, options);
      for (const std::size_t window : {1, 7, 40}) {
        options.window_bytes = window;
        ASSERT_EQ(kind.tokenizer.encode(text, options).ids, whole.ids)
            << kind.name << ", window " << window << ": " << text;
      }
    }
  }
}

/// Maximum number of bytes that are tokenized in one piece of a text of `bytes` bytes without a space, with the
/// alphabet's letters in an order of chance: a text that has a long piece is refused.
TEST(TokenizerWindow, MegabytesWithoutASpaceAreTokenizedInPieces) {
  const std::string letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
  std::mt19937 chance(19);
  std::string text;
  for (int i = 0; i < 4'500'000; ++i) text += letters[chance() % letters.size()];
  for (const char* family : {"roberta", "xlm-roberta", "qwen2"}) {
    const Tokenizer tokenizer = Tokenizer::from_folder(golden_dir / family / "model");
    const TokenizedText part = tokenizer.encode(std::string_view(text).substr(0, 100'000), {.max_length = 64});
    const TokenizedText all = tokenizer.encode(text, {.max_length = 64});
    EXPECT_EQ(all.ids, part.ids) << family;
    EXPECT_GT(all.num_tokens, 40 * part.num_tokens) << family;
  }
}

TEST(TokenizerWindow, AWordThatHasNoPlaceAndNoRoomIsRefused) {
  const std::string text(5 << 20, 'e');
  for (const char* family : {"bert", "xlm-roberta", "roberta"}) {
    std::ifstream file(golden_dir / family / "model/tokenizer.json");
    nlohmann::json json = nlohmann::json::parse(file);
    nlohmann::json& model = json["model"];
    if (model["type"] == "Unigram") {
      model["vocab"].push_back({"ee", -3.0});
    } else if (model["type"] == "BPE") {
      model["vocab"]["ee"] = 5000;
      model["merges"].insert(model["merges"].begin(), nlohmann::json{"e", "e"});
    }
    const Tokenizer tokenizer = Tokenizer::from_json(json.dump(), family);
    try {
      tokenizer.encode(text, {.max_length = 64});
      ADD_FAILURE() << family << " encodes";
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::invalid_argument);
      const std::string message = error.what();
      EXPECT_NE(message.find("5242880 bytes in a row"), std::string::npos) << message;
      EXPECT_NE(message.find("4 MB"), std::string::npos) << message;
    }
  }
}

TEST(TokenizerWindow, NoPieceEndsInsideAnAddedToken) {
  for (const Kind& kind : kinds_with_reaching_tokens()) expect_same_tokens(kind, 17, 100);
}

// Through pieces of the usual size.
TEST(TokenizerWindow, AMegabyteIsCountedExactly) {
  const std::string line = "the ferry left the harbour at ten, and ";
  constexpr std::size_t kLines = 30'000;
  std::string text;
  for (std::size_t i = 0; i < kLines; ++i) text += line;
  for (const char* family : {"bert", "roberta", "xlm-roberta", "mistral"}) {
    const Tokenizer tokenizer = Tokenizer::from_folder(golden_dir / family / "model");
    const std::size_t ten = tokenizer.encode(std::string_view(text).substr(0, 10 * line.size())).num_tokens;
    const std::size_t eleven = tokenizer.encode(std::string_view(text).substr(0, 11 * line.size())).num_tokens;
    const TokenizedText all = tokenizer.encode(text, {.max_length = 64});
    EXPECT_EQ(all.ids.size(), 64u);
    EXPECT_EQ(all.num_tokens, ten + (kLines - 10) * (eleven - ten)) << family;
  }
}

TEST(TokenizerWindow, TenMillionSpacesAreAnErrorThatSaysSo) {
  const Tokenizer tokenizer = Tokenizer::from_folder(golden_dir / "qwen2/model");
  const std::string text = "a" + std::string(10'000'100, ' ') + "b";
  const auto expect_refused = [&](const auto& encode, const std::string& part) {
    try {
      encode();
      ADD_FAILURE() << "encodes";
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::invalid_argument);
      EXPECT_NE(std::string(error.what()).find(part), std::string::npos) << error.what();
    }
  };
  expect_refused([&] { tokenizer.encode(text, {.max_length = 64}); }, "10000102 bytes in a row");
  // In one piece: Oniguruma gives up.
  expect_refused([&] { tokenizer.encode_with_details(text, {.max_length = 64}); }, "white-space characters in a row");
}

}  // namespace
}  // namespace treble::internal
