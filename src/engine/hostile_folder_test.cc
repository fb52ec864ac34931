// Model folders with any one file damaged, of every family: a named error within a second, or the vectors of a model
// that the file does not matter to; never a crash, a hang, a NaN or memory without end.
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <algorithm>
#include <cmath>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <string>
#include <vector>

#include "engine/model_copy.h"

namespace treble::internal {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using test::ModelCopy;

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr double kSeconds = 20;  // everything is slower, and address space is reserved by the terabyte
constexpr rlim_t kAddressSpace = RLIM_INFINITY;
#else
constexpr double kSeconds = 1;
constexpr rlim_t kAddressSpace = rlim_t{4} << 30;
#endif

std::vector<std::string> golden_models() {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(test::source_path("tests/golden"))) {
    if (fs::exists(entry.path() / "model")) names.push_back(entry.path().filename().string());
  }
  std::sort(names.begin(), names.end());
  return names;
}

std::vector<std::string> files_of(const fs::path& folder) {
  std::vector<std::string> files;
  for (const auto& entry : fs::recursive_directory_iterator(folder)) {
    if (entry.is_regular_file()) files.push_back(entry.path().lexically_relative(folder).string());
  }
  std::sort(files.begin(), files.end());
  return files;
}

std::string bytes_of(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

/// "works", or "code: message" of the Error; whatever else happens is a failure of the test.
std::string outcome(const fs::path& folder) {
  const std::clock_t begin = std::clock();
  std::string result = test::error_of([&] {
    const auto encoder = SentenceEncoder::load({.model = folder.string(), .threads = 1});
    const std::vector<std::string_view> texts = {"The ferry leaves at seven."};
    for (const float value : encoder.encode(texts).values) EXPECT_TRUE(std::isfinite(value));
  });
  EXPECT_LT(static_cast<double>(std::clock() - begin) / CLOCKS_PER_SEC, kSeconds);
  EXPECT_NE(result.find("internal: "), 0U) << result;
  return result == "no error" ? "works" : result;
}

class HostileFolder : public ::testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    rlimit limit{};
    ASSERT_EQ(::getrlimit(RLIMIT_AS, &limit), 0);
    limit.rlim_cur = std::min(kAddressSpace, limit.rlim_max);
    ASSERT_EQ(::setrlimit(RLIMIT_AS, &limit), 0);
  }
};

/// The bytes that stand in a file's place.
std::vector<std::pair<std::string, std::string>> replacements(const std::string& original) {
  std::string garbage(original.size(), '\0');
  std::mt19937 random(16);
  for (char& byte : garbage) byte = static_cast<char>(random() & 0xFF);
  return {{"garbage", garbage},
          {"an LFS pointer", "version https://git-lfs.github.com/spec/v1\noid sha256:53aa5117\nsize 90868376\n"},
          {"an empty file", ""},
          {"a truncated copy", original.substr(0, original.size() / 2)},
          {"a copy that lacks its end", original.substr(0, original.size() - 2)}};
}

/// Files that a model can do without: defaults stand for what they say.
bool may_be_missing(const std::string& file) {
  return file == "tokenizer_config.json" || file == "sentence_bert_config.json" || file == "modules.json" ||
         file == "config_sentence_transformers.json" || file.ends_with("_Normalize/config.json");
}

TEST_P(HostileFolder, AnyFileReplacedIsANamedError) {
  const ModelCopy model(GetParam());
  for (const std::string& file : files_of(model.path())) {
    const std::string original = bytes_of(model.path() / file);
    const std::string name = fs::path(file).filename().string();
    for (const auto& [kind, bytes] : replacements(original)) {
      SCOPED_TRACE(file + " is " + kind);
      model.write(file, bytes);
      const std::string message = outcome(model.path());
      EXPECT_NE(message.find(name), std::string::npos) << message;
    }
    model.erase(file);
    {
      SCOPED_TRACE(file + " is missing");
      const std::string message = outcome(model.path());
      EXPECT_TRUE(message.find(name) != std::string::npos || (message == "works" && may_be_missing(file))) << message;
    }
    fs::create_directory(model.path() / file);
    {
      SCOPED_TRACE(file + " is a folder");
      const std::string message = outcome(model.path());
      EXPECT_NE(message.find(name), std::string::npos) << message;
    }
    model.erase(file);
    model.write(file, original);
  }
  EXPECT_EQ(outcome(model.path()), "works");
}

/// Somewhere in the tree, every level's members being equally likely.
json& any_node(json& tree, std::mt19937& random) {
  json* node = &tree;
  while (node->is_structured() && !node->empty()) {
    auto member = node->begin();
    std::advance(member, static_cast<std::ptrdiff_t>(random() % node->size()));
    node = &*member;
    if (random() % 8 == 0) break;
  }
  return *node;
}

json hostile_value(const json& original, std::mt19937& random) {
  const std::vector<json> values = {0,
                                    -1,
                                    1,
                                    2,
                                    3,
                                    1e300,
                                    -1e300,
                                    0.5,
                                    1e-300,
                                    "",
                                    "x",
                                    true,
                                    nullptr,
                                    json::array(),
                                    json::object(),
                                    std::int64_t{1} << 62,
                                    65537,
                                    4096,
                                    json::array({json::array({0})}),
                                    json::object({{"x", original}}),
                                    json::array({original, original})};
  return values[random() % values.size()];
}

/// config.json has the most to say, so each of its keys gets each of these.
TEST_P(HostileFolder, AnyKeyOfTheConfigReplacedIsANamedErrorOrGivesFiniteVectors) {
  const ModelCopy model(GetParam());
  const json config = parse_json_file(model.path() / "config.json");
  for (const auto& [key, original] : config.items()) {
    for (const json& value : {json(0), json(-1), json(3), json(1e300), json("x"), json(true), json(), json::array()}) {
      SCOPED_TRACE(key + " is " + value.dump());
      model.set("config.json", key, value);
      outcome(model.path());
    }
    model.set("config.json", key, original);
  }
  EXPECT_EQ(outcome(model.path()), "works");
}

TEST_P(HostileFolder, AnyValueReplacedIsANamedErrorOrGivesFiniteVectors) {
  constexpr int kRounds = 100;
  const ModelCopy model(GetParam());
  std::vector<std::string> files = files_of(model.path());
  std::erase_if(files, [](const std::string& file) { return !file.ends_with(".json"); });
  std::string name = GetParam();
  std::seed_seq seed(name.begin(), name.end());
  std::mt19937 random(seed);
  for (int round = 0; round < kRounds; ++round) {
    const std::string& file = files[random() % files.size()];
    const std::string original = bytes_of(model.path() / file);
    json tree = json::parse(original);
    json& node = any_node(tree, random);
    node = hostile_value(node, random);
    const json patch = json::diff(json::parse(original), tree);
    SCOPED_TRACE(file + ": " + patch.dump().substr(0, 300));
    model.write(file, tree.dump());
    outcome(model.path());
    model.write(file, original);
  }
}

INSTANTIATE_TEST_SUITE_P(EveryModel, HostileFolder, ::testing::ValuesIn(golden_models()), [](const auto& one) {
  std::string name = one.param;
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
});

}  // namespace
}  // namespace treble::internal
