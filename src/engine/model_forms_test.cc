// Models in another form than the golden one: the same weights under another config.json, or beside other tensors.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <list>
#include <span>
#include <string>
#include <vector>

#include "engine/golden_support.h"
#include "engine/model_copy.h"
#include "kernels/test_support.h"
#include "safetensors/safetensors.h"
#include "treble/sentence_encoder.h"

namespace treble::internal {
namespace {

using test::ModelCopy;
using Json = nlohmann::json;

/// How far the copy's vectors are from those that the golden folder holds for this temperature.
double difference_to_golden(const ModelCopy& copy, const std::string& family, double tau) {
  const auto folder = test::source_path("tests/golden/" + family);
  const auto texts = test::read_texts(folder / "cases.json");
  EncodeOptions options;
  options.temperature = Temperature::constant(tau);
  const auto ours = copy.load().encode(test::views(texts), options);
  const auto golden =
      test::read_golden(TensorArchive::open_file(folder / "expected.safetensors"), fmt::format("tau={:g}/pooled", tau));
  return test::max_abs_difference({ours.values.data(), ours.count, ours.dim}, golden.view());
}

void expect_golden_vectors(const ModelCopy& copy, const std::string& family) {
  for (const double tau : {1.0, 0.7}) EXPECT_LE(difference_to_golden(copy, family, tau), 1e-5) << "tau " << tau;
}

/// config.json as jinaai/jina-embeddings-v3 publishes it.
void publish_jina_v3(const ModelCopy& copy) {
  auto config = parse_json_file(copy.path() / "config.json");
  config.erase("rope_parameters");
  config.update({{"model_type", "xlm-roberta"},
                 {"architectures", {"XLMRobertaModel"}},
                 {"position_embedding_type", "rotary"},
                 {"rotary_emb_base", 20000.0},
                 {"emb_pooler", nullptr},
                 {"load_trained_adapters", true},
                 {"lora_dropout_p", 0.0},
                 {"lora_main_params_trainable", false},
                 {"matryoshka_dimensions", {16, 32}},
                 {"truncate_dim", nullptr},
                 {"use_flash_attn", true},
                 {"use_reentrant", false}});
  copy.write("config.json", config.dump());
}

TEST(ModelForms, JinaV3AsItsAuthorsPublishIt) {
  const ModelCopy copy("jina-embeddings-v3");
  publish_jina_v3(copy);
  EXPECT_EQ(copy.load().info().warnings, std::vector<std::string>{});
  expect_golden_vectors(copy, "jina-embeddings-v3");
}

/// The published weights: behind "roberta.", parametrized, with the factors of tasks that are all zero here.
TEST(ModelForms, JinaV3WithTheFactorsOfItsTasks) {
  constexpr std::int64_t kTasks = 3;
  constexpr std::int64_t kRank = 2;
  const ModelCopy copy("jina-embeddings-v3");
  publish_jina_v3(copy);
  copy.set("config.json", "lora_adaptations", {"retrieval.query", "retrieval.passage", "separation"});
  copy.set("config.json", "lora_rank", kRank);
  copy.set("config.json", "lora_alpha", 1);
  const auto archive = TensorArchive::open_folder(copy.path());
  std::vector<TensorToWrite> tensors;
  std::list<std::vector<float>> zeros;
  for (const auto& [name, tensor] : archive.tensors()) {
    if (tensor.shape.size() != 2) {
      tensors.push_back({"roberta." + name, tensor.dtype, tensor.shape, tensor.bytes});
      continue;
    }
    const bool embedding = name.find("_embeddings") != std::string::npos;
    const std::string stem = "roberta." + name.substr(0, name.size() - 7) + ".parametrizations.weight.";
    const auto factor = [&](const char* which, std::int64_t rows, std::int64_t cols) {
      const auto& values = zeros.emplace_back(static_cast<std::size_t>(kTasks * rows * cols));
      tensors.push_back({stem + which, DType::kF32, {kTasks, rows, cols}, std::as_bytes(std::span(values))});
    };
    tensors.push_back({stem + "original", tensor.dtype, tensor.shape, tensor.bytes});
    factor("0.lora_A", embedding ? tensor.shape[0] : kRank, embedding ? kRank : tensor.shape[1]);
    factor("0.lora_B", embedding ? kRank : tensor.shape[0], embedding ? tensor.shape[1] : kRank);
  }
  write_safetensors(copy.path() / "model.safetensors", tensors);
  const auto texts = test::read_texts(test::source_path("tests/golden/jina-embeddings-v3/cases.json"));
  const auto load = [&](const std::string& task) {
    return SentenceEncoder::load({.model = copy.path().string(), .task = task, .threads = 1})
        .encode(test::views(texts));
  };
  test::expect_words(copy.load_error(), {"retrieval.query"});
  const auto adapted = load("separation");
  const auto golden = test::read_golden(
      TensorArchive::open_file(test::source_path("tests/golden/jina-embeddings-v3/expected.safetensors")),
      "tau=1/pooled");
  EXPECT_LE(test::max_abs_difference({adapted.values.data(), adapted.count, adapted.dim}, golden.view()), 1e-5);
}

/// The whole EmbeddingGemma 2: config.json with a config a tower, tensors of the other towers beside those of the
/// text's.
class WholeEmbeddingGemma2 : public ::testing::Test {
 protected:
  WholeEmbeddingGemma2() {
    const auto text = parse_json_file(copy_.path() / "config.json");
    copy_.write("config.json", Json{{"model_type", "embedding_gemma2"},
                                    {"architectures", {"EmbeddingGemma2Model"}},
                                    {"text_config", text},
                                    {"vision_config", {{"model_type", "gemma4_vision"}}},
                                    {"audio_config", {{"model_type", "gemma4_audio"}}},
                                    {"boi_token_id", 255999},
                                    {"eoi_token_id", 258882},
                                    {"image_token_id", 258880},
                                    {"video_token_id", 258884},
                                    {"boa_token_id", 256000},
                                    {"eoa_token_index", 258883},
                                    {"audio_token_id", 258881},
                                    {"initializer_range", 0.02}}
                                   .dump());
    write({"vision_tower.encoder.layers.0.self_attn.q_proj.linear.weight", "embed_vision.embedding_projection.weight",
           "audio_tower.layers.0.norm_out.weight", "embed_audio.embedding_projection.weight"});
  }

  void write(const std::vector<std::string>& others) {
    const auto archive = TensorArchive::open_folder(test::model_path("embedding-gemma2-text"));
    std::vector<TensorToWrite> tensors;
    for (const auto& [name, tensor] : archive.tensors()) {
      tensors.push_back({"language_model." + name, tensor.dtype, tensor.shape, tensor.bytes});
    }
    for (const std::string& name : others) {
      tensors.push_back({name, DType::kF32, {3, 2}, std::as_bytes(std::span(others_))});
    }
    write_safetensors(copy_.path() / "model.safetensors", tensors);
  }

  ModelCopy copy_{"embedding-gemma2-text"};
  std::vector<float> others_ = std::vector<float>(6, 1.0F);
};

TEST_F(WholeEmbeddingGemma2, LoadsItsTextTowerAndSaysWhatIsLeftOut) {
  expect_golden_vectors(copy_, "embedding-gemma2-text");
  EXPECT_EQ(copy_.warning(),
            "only the text tower is loaded; left out are the towers for images and sounds (4 tensors, 24 parameters)");
  EXPECT_EQ(
      copy_.load().info().num_parameters,
      SentenceEncoder::load({.model = test::model_path("embedding-gemma2-text"), .threads = 1}).info().num_parameters);
}

TEST_F(WholeEmbeddingGemma2, RefusesTensorsOfNoTower) {
  write({"language_model.layers.0.surprise.weight"});
  test::expect_words(copy_.load_error(), {"unsupported", "language_model.layers.0.surprise.weight"});
}

TEST_F(WholeEmbeddingGemma2, NamesUnknownKeysOfItsTextConfig) {
  auto config = parse_json_file(copy_.path() / "config.json");
  config["text_config"]["unheard_of"] = 1;
  copy_.write("config.json", config.dump());
  const auto warnings = copy_.load().info().warnings;
  EXPECT_TRUE(std::any_of(warnings.begin(), warnings.end(), [](const std::string& warning) {
    return warning.find("text_config: unknown to a embedding_gemma2_text model, ignored: unheard_of") !=
           std::string::npos;
  }));
}

/// bfloat16 and int8 lose little, and a temperature acts in them.
TEST(ModelForms, EmbeddingGemma2InEveryType) {
  const auto folder = test::source_path("tests/golden/embedding-gemma2-text");
  const auto texts = test::read_texts(folder / "cases.json");
  EncodeOptions sharp;
  sharp.temperature = Temperature::constant(0.5);
  const auto load = [](ComputeType type) {
    return SentenceEncoder::load({.model = test::model_path("embedding-gemma2-text"), .threads = 2, .dtype = type});
  };
  const auto plain = load(ComputeType::float32).encode(test::views(texts));
  const auto apart = [&](const Embeddings& other) {
    return test::max_abs_difference({plain.values.data(), plain.count, plain.dim},
                                    {other.values.data(), other.count, other.dim});
  };
  const double change = apart(load(ComputeType::float32).encode(test::views(texts), sharp));
  EXPECT_GT(change, 0.02);
  for (const auto type : {ComputeType::bfloat16, ComputeType::int8}) {
    const auto encoder = load(type);
    EXPECT_LT(apart(encoder.encode(test::views(texts))), 0.5 * change);
    EXPECT_GT(apart(encoder.encode(test::views(texts), sharp)), 0.5 * change);
  }
}

}  // namespace
}  // namespace treble::internal
