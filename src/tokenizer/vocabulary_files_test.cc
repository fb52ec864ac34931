// Tokenizers of folders without tokenizer.json: the ids are those of AutoTokenizer (tools/golden/vocabulary_files.py).
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "tokenizer/tokenizer.h"
#include "treble/error.h"

namespace treble::internal {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

std::string decode_base64(const std::string& text) {
  const std::string alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string bytes;
  std::uint32_t bits = 0;
  int count = 0;
  for (const char c : text) {
    if (c == '=') break;
    bits = bits << 6 | static_cast<std::uint32_t>(alphabet.find(c));
    count += 6;
    if (count < 8) continue;
    count -= 8;
    bytes.push_back(static_cast<char>(bits >> count & 0xFFU));
  }
  return bytes;
}

class VocabularyFiles : public ::testing::Test {
 protected:
  VocabularyFiles() {
    std::ifstream file(fs::path(TREBLE_SOURCE_DIR) / "tests/golden/vocabulary_files.json");
    golden_ = Json::parse(file);
  }
  ~VocabularyFiles() override { fs::remove_all(folder_); }

  void write(const std::string& name, const std::string& bytes) const {
    std::ofstream(folder_ / name, std::ios::binary) << bytes;
  }
  /// The vocabulary of a kind and these files beside it.
  void fill(const std::string& kind, const Json& files) const {
    fs::remove_all(folder_);
    fs::create_directories(folder_);
    for (const auto& [name, content] : golden_.at("kinds").at(kind).at("vocabulary").items()) {
      write(name, decode_base64(content.get<std::string>()));
    }
    for (const auto& [name, content] : files.items()) write(name, content.dump());
  }
  void fill(const std::string& kind) const { fill(kind, golden_.at("kinds").at(kind).at("files")); }
  std::vector<std::vector<std::int32_t>> ids(const Tokenizer& tokenizer, std::optional<std::size_t> max_length) const {
    std::vector<std::vector<std::int32_t>> result;
    for (const std::string text : golden_.at("texts")) {
      result.push_back(tokenizer.encode(text, {.max_length = max_length}).ids);
    }
    return result;
  }
  Json expected(const Json& test_case, const char* which) const {
    return golden_.at("ids").at(test_case.at(which).get<std::size_t>());
  }
  /// "code: message".
  std::string load_error() const {
    try {
      Tokenizer::from_folder(folder_);
    } catch (const Error& error) {
      return std::string(mapping(error.code()).name) + ": " + error.what();
    }
    return "no error";
  }
  void expect_error(const std::vector<std::string>& words) const {
    const std::string message = load_error();
    for (const std::string& word : words) EXPECT_NE(message.find(word), std::string::npos) << word << "\n" << message;
  }

  Json golden_;
  fs::path folder_ = fs::path(::testing::TempDir()) / ("vocabulary_files_" + std::to_string(::getpid()));
};

/// transformers turns a null token into the word "None" with a made-up id, and heeds add_bos_token and add_eos_token in
/// these folders; such folders are refused here.
bool is_refused_here(const Json& test_case) {
  const std::string what = test_case.at("what").get<std::string>();
  for (const char* word : {"_token=None", "add_bos_token=True", "add_eos_token=True"}) {
    if (what.find(word) != std::string::npos) return true;
  }
  return false;
}

TEST_F(VocabularyFiles, IdsAreThoseOfAutoTokenizer) {
  std::map<std::string, int> compared;
  int refused = 0;
  for (const Json& test_case : golden_.at("cases")) {
    const std::string kind = test_case.at("kind");
    const std::string name = kind + ", " + test_case.at("what").get<std::string>();
    fill(kind, test_case.at("files"));
    try {
      const Tokenizer tokenizer = Tokenizer::from_folder(folder_);
      const Json whole = ids(tokenizer, std::nullopt);
      ASSERT_FALSE(test_case.contains("refused")) << name << ": transformers: " << test_case.at("refused");
      EXPECT_EQ(whole, expected(test_case, "ids")) << name;
      EXPECT_EQ(Json(ids(tokenizer, golden_.at("cut").get<std::size_t>())), expected(test_case, "cut")) << name;
      ++compared[kind];
    } catch (const Error& error) {
      EXPECT_TRUE(test_case.contains("refused") || is_refused_here(test_case)) << name << ": " << error.what();
      ++refused;
    }
  }
  EXPECT_EQ(compared.size(), golden_.at("kinds").size());
  for (const auto& [kind, count] : compared) EXPECT_GE(count, 25) << kind;
  EXPECT_LT(refused, 60);
}

TEST_F(VocabularyFiles, TheFileOfTheClassIsNamedWhereItIsMissing) {
  fill("roberta");
  fs::remove(folder_ / "merges.txt");
  expect_error({"invalid_file: ", "merges.txt", "Roberta"});
  fill("bert");
  fs::rename(folder_ / "vocab.txt", folder_ / "spiece.model");
  expect_error({"invalid_file: ", "vocab.txt", "Bert"});
  fill("bert");
  write("tokenizer_config.json", R"({"tokenizer_class": "PreTrainedTokenizerFast"})");
  expect_error({"unsupported: ", "tokenizer.json", "save_pretrained"});
  write("tokenizer_config.json", R"({"tokenizer_class": "LlamaTokenizer"})");
  expect_error({"unsupported: ", "Llama", "save_pretrained"});
  fs::remove(folder_ / "vocab.txt");
  expect_error({"not_found: ", "tokenizer.json"});
}

TEST_F(VocabularyFiles, DamagedFilesAreNamed) {
  fill("roberta");
  write("merges.txt", "#version: 0.2\na b c\n");
  expect_error({"invalid_file: ", "merges.txt", "a b c"});
  write("merges.txt", "q zzzz\n");
  expect_error({"invalid_file: "});
  fill("roberta");
  write("vocab.json", "[1]");
  expect_error({"invalid_file: ", "vocab.json"});
  write("vocab.json", "{");
  expect_error({"invalid_file: ", "vocab.json", "JSON"});
  fill("bert");
  write("vocab.txt", "\xff\xfe");
  expect_error({"invalid_file: ", "vocab.txt", "UTF-8"});
  write("vocab.txt", "");
  expect_error({"invalid_file: "});
}

TEST_F(VocabularyFiles, EveryCutOfASentencePieceModelIsAnErrorOrSmaller) {
  fill("t5");
  std::ifstream file(folder_ / "spiece.model", std::ios::binary);
  const std::string whole((std::istreambuf_iterator<char>(file)), {});
  int failed = 0;
  for (std::size_t size = 0; size < whole.size(); size += 7) {
    write("spiece.model", whole.substr(0, size));
    if (load_error() != "no error") ++failed;
  }
  EXPECT_GT(failed, 100);
  for (const char* bytes : {"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", "\x0b", "\x0a\x05\x0a\x03", "junk"}) {
    write("spiece.model", bytes);
    expect_error({"invalid_file: ", "spiece.model"});
  }
}

}  // namespace
}  // namespace treble::internal
