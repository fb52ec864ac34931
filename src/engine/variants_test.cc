// Every switch, default and precedence of tests/golden/variants against what transformers computes: the weights come
// from a formula (tools/golden/variants.py), config.json and the expected vectors from the files.
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <map>
#include <numeric>

#include "engine/formula_model.h"
#include "engine/golden_support.h"
#include "models/known_names.h"
#include "models/model_registry.h"
#include "treble/bake.h"
#include "treble/error.h"

namespace treble::internal {
namespace {

namespace fs = std::filesystem;
using test::make_tensors;
using test::Tensor;
using test::text_ids;
using test::write_model;
using Json = nlohmann::json;

constexpr std::int64_t kMaxTokens = 70;
constexpr double kTolerance = 1e-5;

/// Mean hidden states of unit length of the texts, all in one batch.
std::vector<std::vector<double>> encode(const Encoder& encoder, const std::string& tau) {
  PackedBatch batch;
  batch.offsets = {0};
  for (const std::int64_t length : {1, 11, 70}) {
    const auto ids = text_ids(length, encoder.config().vocab_size);
    batch.ids.insert(batch.ids.end(), ids.begin(), ids.end());
    batch.offsets.push_back(static_cast<std::int64_t>(batch.ids.size()));
    batch.text_index.push_back(static_cast<std::int64_t>(batch.text_index.size()));
    batch.prompt_tokens.push_back(0);
  }
  Workspace kernels;
  LayerWorkspace workspace;
  const Temperature temperature = Temperature::parse(tau);
  const ConstMatrixView hidden =
      encoder.run({.execution = Execution(kernels), .workspace = workspace, .temperatures = {&temperature, 1}}, batch);
  std::vector<std::vector<double>> vectors;
  for (std::int64_t text = 0; text < batch.num_sequences(); ++text) {
    std::vector<double> sum(static_cast<std::size_t>(hidden.cols));
    for (std::int64_t row = batch.offsets[static_cast<std::size_t>(text)];
         row < batch.offsets[static_cast<std::size_t>(text) + 1]; ++row) {
      for (std::size_t col = 0; col < sum.size(); ++col) sum[col] += hidden.row(row)[col];
    }
    const double norm = std::sqrt(std::inner_product(sum.begin(), sum.end(), sum.begin(), 0.0));
    for (double& value : sum) value /= norm;
    vectors.push_back(std::move(sum));
  }
  return vectors;
}

double largest_difference(const std::vector<std::vector<double>>& got, const Json& expected) {
  double largest = 0;
  for (std::size_t text = 0; text < got.size(); ++text) {
    for (std::size_t i = 0; i < got[text].size(); ++i) {
      const double difference = std::abs(got[text][i] - expected.at(text).at(i).get<double>());
      largest = std::isfinite(difference) ? std::max(largest, difference) : INFINITY;
    }
  }
  return largest;
}

class Variants : public testing::TestWithParam<std::string> {
 protected:
  void SetUp() override { fs::create_directories(scratch()); }
  void TearDown() override { fs::remove_all(scratch()); }
  fs::path scratch() const {
    return fs::path(testing::TempDir()) / ("variants-" + GetParam() + "-" + std::to_string(::getpid()));
  }
  static Json read(const std::string& model_type) {
    return parse_json_file(test::source_path("tests/golden/variants/" + model_type + ".json"));
  }
};

TEST_P(Variants, GiveWhatTransformersGives) {
  for (const Json& variant : read(GetParam())) {
    const std::string name = GetParam() + ": " + variant.at("name").get<std::string>();
    SCOPED_TRACE(name);
    write_model(scratch() / "model", variant, make_tensors(variant));
    try {
      const Encoder encoder = load_encoder(scratch() / "model", {kMaxTokens});
      for (const auto& [tau, expected] : variant.at("expected").items()) {
        EXPECT_LE(largest_difference(encode(encoder, tau), expected), kTolerance) << "tau " << tau;
      }
    } catch (const Error& error) {
      ADD_FAILURE() << error.what();
    }
  }
}

/// A baked temperature is that temperature; what cannot be baked says so.
TEST_P(Variants, BakeToWhatTheTemperatureGives) {
  for (const Json& variant : read(GetParam())) {
    SCOPED_TRACE(GetParam() + ": " + variant.at("name").get<std::string>());
    write_model(scratch() / "model", variant, make_tensors(variant));
    bake((scratch() / "model").string(), (scratch() / "baked").string(), Temperature::parse("0.7"), {.force = true});
    const Encoder baked = load_encoder(scratch() / "baked", {kMaxTokens});
    EXPECT_LE(largest_difference(encode(baked, "1"), variant.at("expected").at("0.7")), kTolerance);
  }
}

/// No tensor of an encoder can be left out or added without an error that names it, and every layer counts.
TEST_P(Variants, RefuseWeightsThatAreNotTheConfigs) {
  const Json variant = read(GetParam()).front();
  std::vector<Tensor> tensors = make_tensors(variant);
  tensors.push_back({"encoder.surprise.weight", {2}, {1, 2}});
  write_model(scratch() / "model", variant, tensors);
  try {
    load_encoder(scratch() / "model", {kMaxTokens});
    ADD_FAILURE() << "an unknown tensor was accepted";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::unsupported);
    EXPECT_NE(std::string(error.what()).find("encoder.surprise.weight"), std::string::npos) << error.what();
  }
  tensors.pop_back();
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    if (is_harmless_tensor(GetParam(), "", tensors[i].name)) continue;
    std::vector<Tensor> rest = tensors;
    rest.erase(rest.begin() + static_cast<std::ptrdiff_t>(i));
    write_model(scratch() / "model", variant, rest);
    EXPECT_THROW(load_encoder(scratch() / "model", {kMaxTokens}), Error) << tensors[i].name;
  }
}

TEST_P(Variants, RefuseOtherNumbersOfLayers) {
  Json variant = read(GetParam()).front();
  const char* key = GetParam() == "distilbert"   ? "n_layers"
                    : GetParam().ends_with("t5") ? "num_layers"
                                                 : "num_hidden_layers";
  if (GetParam() == "albert") GTEST_SKIP() << "its layers share their weights, so any number of them fits";
  const auto tensors = make_tensors(variant);
  Json& config = variant["config"].contains("text_config") ? variant["config"]["text_config"] : variant["config"];
  const std::int64_t stored = config.at(key).get<std::int64_t>();
  for (const std::int64_t expected : {stored + 1, stored - 1}) {
    if (expected == 0) continue;
    config[key] = expected;
    config.erase("layer_types");
    write_model(scratch() / "model", variant, tensors);
    try {
      load_encoder(scratch() / "model", {kMaxTokens});
      ADD_FAILURE() << stored << " layers passed for " << expected;
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::invalid_file);
      EXPECT_NE(std::string(error.what()).find(std::to_string(stored) + " layers"), std::string::npos) << error.what();
      EXPECT_NE(std::string(error.what()).find("asks for " + std::to_string(expected)), std::string::npos);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Golden, Variants,
                         testing::Values("bert", "roberta", "electra", "albert", "mpnet", "distilbert", "deberta-v2",
                                         "t5", "mt5", "umt5", "llama", "mistral", "qwen2", "qwen3", "gemma3_text",
                                         "modernbert", "nomic_bert", "gte", "eurobert", "ultrabert",
                                         "jina_embeddings_v3", "embedding_gemma2_text", "embedding_gemma2"),
                         [](const auto& family) {
                           std::string name = family.param;
                           std::replace(name.begin(), name.end(), '-', '_');
                           return name;
                         });

}  // namespace
}  // namespace treble::internal
