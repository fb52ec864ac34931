// ModelOptions::cache: a second start takes int8 layers from the file that the first one wrote.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <set>
#include <string>
#include <vector>

#include "base/test_folder.h"
#include "engine/golden_support.h"
#include "engine/model_copy.h"
#include "safetensors/safetensors.h"
#include "treble/reranker.h"
#include "treble/sentence_encoder.h"

namespace treble::internal {
namespace {

namespace fs = std::filesystem;

const std::vector<std::string> kTexts = {"a", "the low filter keeps what is smooth",
                                         "long texts draw together, and short ones are told apart by single words"};

class Int8Cache : public ::testing::Test {
 protected:
  ModelOptions options(const std::string& model) const {
    return {.model = model, .threads = 2, .dtype = ComputeType::int8, .cache = folder()};
  }
  std::string folder() const { return (folder_.path() / "cache").string(); }

  /// The only one in the folder.
  fs::path file() const {
    std::vector<fs::path> found;
    for (const auto& entry : fs::directory_iterator(folder())) found.push_back(entry.path());
    EXPECT_EQ(found.size(), 1U);
    return found.front();
  }

  test::TestFolder folder_;
};

std::vector<float> vectors_of(const SentenceEncoder& encoder) { return encoder.encode(test::views(kTexts)).values; }

/// Families whose layers are put together in different ways: queries, keys and values in one tensor or three, gates
/// before or behind, shared layers, experts, per-layer inputs, products that stay float32, states.
TEST_F(Int8Cache, GivesTheSameVectorsBitForBit) {
  for (const char* name :
       {"bert", "bert-bf16", "albert-groups", "deberta-v2", "distilbert", "nomic-bert", "nomic-bert-moe", "gte-new",
        "modernbert", "jina-bert-v2", "mpnet", "t5-gated-gelu", "qwen3", "embedding-gemma2-text"}) {
    SCOPED_TRACE(name);
    const std::string model = test::model_path(name);
    const SentenceEncoder plain = SentenceEncoder::load({.model = model, .threads = 2, .dtype = ComputeType::int8});
    const SentenceEncoder first = SentenceEncoder::load(options(model));
    const SentenceEncoder second = SentenceEncoder::load(options(model));
    EXPECT_EQ(plain.info().prepared_from, "");
    EXPECT_EQ(first.info().prepared_from, "");
    EXPECT_EQ(second.info().prepared_from, file().string());
    EXPECT_EQ(vectors_of(first), vectors_of(plain));
    EXPECT_EQ(vectors_of(second), vectors_of(plain));
    EXPECT_EQ(second.info().num_parameters, plain.info().num_parameters);
    EXPECT_EQ(second.info().warnings, plain.info().warnings);
    EXPECT_EQ(second.weights_sha256(), plain.weights_sha256());
    fs::remove_all(folder());
  }
}

TEST_F(Int8Cache, ServesRerankersAndModelsWithStates) {
  const RerankOptions raw{.activation = ScoreActivation::identity};
  const std::vector<TextPair> pairs = {{"low-pass", "attention smooths"}, {"a", "b c d"}};
  const std::string reranker = test::source_path("tests/golden/rerankers/bert/model").string();
  const auto exact = Reranker::load({.model = reranker, .threads = 2, .dtype = ComputeType::int8}).score(pairs, raw);
  EXPECT_EQ(Reranker::load(options(reranker)).score(pairs, raw).values, exact.values);
  const Reranker again = Reranker::load(options(reranker));
  EXPECT_NE(again.info().prepared_from, "");
  EXPECT_EQ(again.score(pairs, raw).values, exact.values);
  fs::remove_all(folder());

  const std::string states = test::source_path("tests/data/state-passkey/model").string();
  const auto wanted = vectors_of(SentenceEncoder::load({.model = states, .threads = 2, .dtype = ComputeType::int8}));
  SentenceEncoder::load(options(states));
  const SentenceEncoder prepared = SentenceEncoder::load(options(states));
  EXPECT_NE(prepared.info().prepared_from, "");
  EXPECT_EQ(vectors_of(prepared), wanted);
}

/// What the layers depend on has a file of its own; what they do not depend on shares one.
TEST_F(Int8Cache, IsKeyedByWhatLayersDependOn) {
  test::ModelCopy copy("bert");
  const auto count = [&] {
    SentenceEncoder::load(options(copy.path().string()));
    return std::distance(fs::directory_iterator(folder()), fs::directory_iterator());
  };
  EXPECT_EQ(count(), 1);
  EXPECT_EQ(count(), 1);
  ModelOptions one_thread = options(test::model_path("bert"));
  one_thread.threads = 1;
  EXPECT_NE(SentenceEncoder::load(one_thread).info().prepared_from, "") << "the same files elsewhere";
  const fs::path weights = copy.path() / "model.safetensors";
  std::fstream file(weights, std::ios::in | std::ios::out | std::ios::binary);
  file.seekp(-1, std::ios::end);
  const int last = file.peek();
  file.seekp(-1, std::ios::end);
  file.put(static_cast<char>(last ^ 1));
  file.close();
  EXPECT_EQ(count(), 2) << "one bit of the weights";
  ModelOptions shorter = options(copy.path().string());
  shorter.max_length = 8;
  EXPECT_EQ(SentenceEncoder::load(shorter).info().prepared_from, "");
}

TEST_F(Int8Cache, IsLeftAloneByOtherTypesAndByStaticModels) {
  ModelOptions exact = options(test::model_path("bert"));
  exact.dtype = ComputeType::float32;
  SentenceEncoder::load(exact);
  EXPECT_FALSE(fs::exists(folder()));
}

TEST_F(Int8Cache, NamesADamagedFileAndTheWayOut) {
  const std::string model = test::model_path("bert");
  SentenceEncoder::load(options(model));
  const fs::path path = file();
  const auto load = [&] { SentenceEncoder::load(options(model)); };
  const std::string bytes = test::read_all(path);

  std::ofstream(path, std::ios::binary) << bytes.substr(0, bytes.size() / 2);
  test::expect_words(test::error_of(load), {"invalid_file", path.string(), "when it is deleted"});
  std::ofstream(path, std::ios::binary | std::ios::trunc) << "";
  test::expect_words(test::error_of(load), {"invalid_file", path.string(), "when it is deleted"});
  write_safetensors(path, {}, {{"key", "another"}});
  test::expect_words(test::error_of(load), {"invalid_file", path.string(), "\"key\"", "when it is deleted"});

  std::ofstream(path, std::ios::binary | std::ios::trunc) << bytes;
  const std::string key = TensorArchive::open_file(path).metadata().at("key");
  write_safetensors(path, {}, {{"key", key}});
  test::expect_words(test::error_of(load), {"invalid_file", path.string(), "is not there", "when it is deleted"});
  fs::remove(path);
  EXPECT_NO_THROW(load());
}

TEST_F(Int8Cache, SaysWhereItCannotBeWritten) {
  std::ofstream(folder()) << "a file where the folder should be";
  test::expect_words(test::error_of([&] { SentenceEncoder::load(options(test::model_path("bert"))); }),
                     {"io", folder(), "ModelOptions::cache"});
}

}  // namespace
}  // namespace treble::internal
