#include "treble/model_files.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "treble/provenance.h"
#include "treble/sentence_encoder.h"

namespace treble::internal {
namespace {

namespace fs = std::filesystem;

class ModelFilesTest : public ::testing::Test {
 protected:
  void SetUp() override {
    folder_ = fs::temp_directory_path() / ("treble-model-files-" + std::to_string(::getpid()));
    fs::remove_all(folder_);
    fs::copy(fs::path(TREBLE_SOURCE_DIR) / "tests" / "golden" / "t5" / "model", folder_, fs::copy_options::recursive);
  }
  void TearDown() override { fs::remove_all(folder_); }

  SentenceEncoder load() const { return SentenceEncoder::load({.model = folder_.string(), .threads = 1}); }
  void append(const std::string& name, const std::string& text) const {
    std::ofstream(folder_ / name, std::ios::binary | std::ios::app) << text;
  }

  fs::path folder_;
};

TEST_F(ModelFilesTest, AreThoseThatTheModelIsReadFrom) {
  append("README.md", "nothing");
  append("2_Dense/notes.txt", "nothing");
  std::vector<std::string> names;
  for (const ModelFile& file : model_files(folder_.string())) {
    names.push_back(file.name);
    EXPECT_EQ(file.encoder_weights, file.name == "model.safetensors");
    EXPECT_TRUE(fs::equivalent(file.path, folder_ / file.name));
  }
  const std::vector<std::string> expected = {
      "1_Pooling/config.json", "2_Dense/config.json", "2_Dense/model.safetensors", "config.json",
      "model.safetensors",     "modules.json",        "sentence_bert_config.json", "tokenizer.json",
      "tokenizer_config.json"};
  for (const std::string& name : expected) EXPECT_EQ(std::count(names.begin(), names.end(), name), 1) << name;
  for (const std::string& name : names) EXPECT_TRUE(is_model_file_name(fs::path(name).filename().string())) << name;
  EXPECT_EQ(std::count(names.begin(), names.end(), "README.md"), 0);
}

TEST_F(ModelFilesTest, TheFingerprintChangesWithEachOfThem) {
  const SentenceEncoder before = load();
  const ModelFingerprint first = before.fingerprint();
  EXPECT_EQ(first.sha256.size(), 64U);
  EXPECT_EQ(first.files.at("weights"), before.weights_sha256());
  EXPECT_EQ(first.files.count("model.safetensors"), 0U);
  append("README.md", "nothing");
  EXPECT_EQ(load().fingerprint().sha256, first.sha256);
  for (const auto& [name, unused] : first.files) {
    if (!name.ends_with(".json")) continue;
    append(name, "\n");
    const ModelFingerprint changed = load().fingerprint();
    EXPECT_NE(changed.sha256, first.sha256) << name;
    EXPECT_NE(changed.files.at(name), first.files.at(name));
    fs::resize_file(folder_ / name, fs::file_size(folder_ / name) - 1);
  }
  EXPECT_EQ(load().fingerprint().sha256, first.sha256);
}

TEST_F(ModelFilesTest, ProvenanceTellsOptionsApartThatChangeVectors) {
  const SentenceEncoder encoder = load();
  const std::string plain = provenance_json(encoder, {});
  EXPECT_EQ(plain, provenance_json(encoder, {.batch_tokens = 64}));
  EXPECT_NE(plain, provenance_json(encoder, {.prompt = "query: "}));
  EXPECT_NE(plain, provenance_json(encoder, {.truncation = Truncation::start}));
  EXPECT_NE(plain, provenance_json(encoder, {.max_length = 16}));
  EXPECT_NE(plain, provenance_json(encoder, {.normalize = false}));
  EXPECT_NE(plain, provenance_json(encoder, {.temperature = Temperature::constant(0.8)}));
  EXPECT_NE(plain, provenance_json(encoder, {.temper_position_bias = false}));
}

}  // namespace
}  // namespace treble::internal
