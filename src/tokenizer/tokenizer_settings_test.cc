// Tokenizers from folders in which tokenizer_config.json, special_tokens_map.json, added_tokens.json and config.json
// say more or other than tokenizer.json: the ids are those of AutoTokenizer (tools/golden/tokenizer_settings.py).
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>

#include "tokenizer/tokenizer.h"
#include "treble/error.h"

namespace treble::internal {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

const fs::path golden_dir = fs::path(TREBLE_SOURCE_DIR) / "tests/golden";

Json read_json(const fs::path& path) {
  std::ifstream file(path);
  return Json::parse(file);
}

/// A folder that is gone at the end of the scope.
class Folder {
 public:
  Folder() : path_(fs::path(::testing::TempDir()) / ("tokenizer_settings_" + std::to_string(::getpid()))) {
    fs::create_directories(path_);
  }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  ~Folder() { fs::remove_all(path_); }

  void clear() {
    for (const auto& entry : fs::directory_iterator(path_)) fs::remove(entry.path());
  }
  void write(const std::string& name, const std::string& text) { std::ofstream(path_ / name) << text; }
  const fs::path& path() const { return path_; }

 private:
  fs::path path_;
};

using Ids = std::vector<std::vector<std::int32_t>>;

class Cases {
 public:
  Cases() : golden_(read_json(golden_dir / "tokenizer_settings.json")) {}

  const Json& all() const { return golden_.at("cases"); }

  /// Writes the files of a case.
  void fill(const Json& test_case, Folder& folder) {
    folder.clear();
    const std::string kind = test_case.at("kind");
    if (!base_.contains(kind)) {
      const fs::path model = golden_dir / kind / "model";
      base_[kind] = {{"tokenizer.json", read_json(model / "tokenizer.json")},
                     {"tokenizer_config.json", read_json(model / "tokenizer_config.json")},
                     {"config.json", {{"model_type", read_json(model / "config.json").at("model_type")}}}};
    }
    Json files = base_[kind];
    for (const auto& [name, content] : test_case.at("files").items()) {
      if (name == "tokenizer.json") {
        files[name].update(content);
      } else {
        files[name] = content;
      }
    }
    for (const auto& name : test_case.at("missing")) files.erase(name.get<std::string>());
    for (const auto& [name, content] : files.items()) folder.write(name, content.dump());
  }

  /// The ids that transformers gives: "ids" or "cut".
  Ids expected(const Json& test_case, const char* which) const {
    return golden_.at("ids").at(test_case.at(which).get<std::size_t>()).get<Ids>();
  }

  Ids encoded(const Tokenizer& tokenizer, std::optional<std::size_t> max_length) const {
    Ids result;
    for (const std::string text : golden_.at("texts")) {
      result.push_back(tokenizer.encode(text, {.max_length = max_length}).ids);
    }
    return result;
  }

  std::size_t cut() const { return golden_.at("cut"); }

 private:
  Json golden_;
  std::map<std::string, Json> base_;
};

/// transformers turns a null token into the word "None" with a made-up id; such a folder is refused here.
bool is_null_token(const std::string& name) {
  return name.find("cls_token=None") != std::string::npos || name.find("sep_token=None") != std::string::npos ||
         name.find("unk_token=None") != std::string::npos;
}

TEST(TokenizerSettings, IdsAreThoseOfAutoTokenizer) {
  Cases cases;
  Folder folder;
  for (const Json& test_case : cases.all()) {
    const std::string name = test_case.at("kind").get<std::string>() + ", " + test_case.at("what").get<std::string>();
    cases.fill(test_case, folder);
    try {
      const Tokenizer tokenizer = Tokenizer::from_folder(folder.path());
      const auto ids = cases.encoded(tokenizer, std::nullopt);
      if (test_case.contains("refused")) {
        ADD_FAILURE() << name << ": works, transformers refuses: " << test_case.at("refused");
        continue;
      }
      EXPECT_EQ(ids, cases.expected(test_case, "ids")) << name;
      EXPECT_EQ(cases.encoded(tokenizer, cases.cut()), cases.expected(test_case, "cut")) << name;
    } catch (const Error& error) {
      EXPECT_TRUE(test_case.contains("refused") || is_null_token(name)) << name << ": " << error.what();
    }
  }
}

class SettingsErrors : public ::testing::Test {
 protected:
  void SetUp() override {
    for (const char* name : {"tokenizer.json", "config.json"}) {
      fs::copy_file(golden_dir / "bert/model" / name, folder_.path() / name, fs::copy_options::overwrite_existing);
    }
  }

  /// What loading says with `text` as the file `name`.
  std::string message(const std::string& name, const std::string& text, ErrorCode code = ErrorCode::invalid_file) {
    folder_.write(name, text);
    std::string what;
    try {
      Tokenizer::from_folder(folder_.path());
      ADD_FAILURE() << name << " loads: " << text;
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), code) << error.what();
      what = error.what();
      EXPECT_NE(what.find((folder_.path() / name).string()), std::string::npos) << what;
      EXPECT_EQ(error.file(), folder_.path() / name) << what;
    }
    fs::remove(folder_.path() / name);
    return what;
  }

  std::string warnings_with(const std::string& name, const std::string& text) {
    folder_.write(name, text);
    std::string all;
    for (const std::string& warning : Tokenizer::from_folder(folder_.path()).warnings()) all += warning + "\n";
    return all;
  }

  Folder folder_;
};

TEST_F(SettingsErrors, NameTheFileAndTheKey) {
  for (const char* name : {"tokenizer_config.json", "special_tokens_map.json", "added_tokens.json"}) {
    for (const char* text : {"", "not json", "[]", "{\"a\": 1"}) message(name, text);
  }
  const auto names = [&](const std::string& text, const std::string& key) {
    EXPECT_NE(message("tokenizer_config.json", text).find(key), std::string::npos) << text;
  };
  names(R"({"do_lower_case": "yes"})", "do_lower_case");
  names(R"({"truncation_side": "middle"})", "truncation_side");
  names(R"({"split_special_tokens": 1})", "split_special_tokens");
  names(R"({"cls_token": {"content": "[CLS]"}})", "cls_token");
  names(R"({"unk_token": "no such word"})", "no such word");
  names(R"({"added_tokens_decoder": {"x": {"content": "[CLS]"}}})", "added_tokens_decoder");
  names(R"({"extra_special_tokens": 3})", "extra_special_tokens");
}

TEST_F(SettingsErrors, WhatCannotBeFollowedIsRefused) {
  const auto refused = [&](const std::string& text) {
    return message("tokenizer_config.json", text, ErrorCode::unsupported);
  };
  EXPECT_NE(refused(R"({"tokenizer_class": "XLNetTokenizer"})").find("XLNetTokenizer"), std::string::npos);
  EXPECT_NE(refused(R"({"fast_tokenizer_files": ["tokenizer.4.0.0.json"]})").find("fast_tokenizer_files"),
            std::string::npos);
  EXPECT_NE(refused(R"({"fix_mistral_regex": true})").find("fix_mistral_regex"), std::string::npos);
}

TEST_F(SettingsErrors, DisagreementIsAWarning) {
  EXPECT_EQ(warnings_with("tokenizer_config.json", "{}"), "");
  EXPECT_NE(warnings_with("tokenizer_config.json", R"({"do_lower_case": false})").find("normalizer"),
            std::string::npos);
  EXPECT_NE(warnings_with("tokenizer_config.json", R"({"add_eos_token": true})").find("add_eos_token"),
            std::string::npos);
  EXPECT_NE(warnings_with("tokenizer_config.json", R"({"added_tokens_decoder": {"77": {"content": "[SEP]"}}})")
                .find("said to be 77"),
            std::string::npos);
}

TEST_F(SettingsErrors, TruncationSideIsTheDefaultAlone) {
  folder_.write("tokenizer_config.json", R"({"truncation_side": "left"})");
  const Tokenizer tokenizer = Tokenizer::from_folder(folder_.path());
  EXPECT_EQ(tokenizer.default_truncation(), Truncation::start);
  const TokenizeOptions start{.max_length = 5, .truncation = Truncation::start};
  const TokenizeOptions end{.max_length = 5, .truncation = Truncation::end};
  const std::string text = "the ferry left the harbour at ten";
  EXPECT_EQ(tokenizer.encode(text, {.max_length = 5}).ids, tokenizer.encode(text, start).ids);
  EXPECT_NE(tokenizer.encode(text, start).ids, tokenizer.encode(text, end).ids);
}

}  // namespace
}  // namespace treble::internal
