// The promise of baking: the baked folder at temperature 1 is the original at that temperature. For every golden
// family.
#include "treble/bake.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <tuple>
#include <utility>

#include "base/test_folder.h"
#include "engine/golden_support.h"
#include "kernels/test_support.h"
#include "models/model_registry.h"
#include "treble/error.h"
#include "treble/sentence_encoder.h"

namespace treble::internal {
namespace {

namespace fs = std::filesystem;

constexpr double kTolerance = 1e-5;

std::vector<std::string> golden_models() {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(test::source_path("tests/golden"))) {
    if (fs::exists(entry.path() / "model")) names.push_back(entry.path().filename().string());
  }
  std::sort(names.begin(), names.end());
  return names;
}

/// One golden model, as it is and baked.
class BakedModel : public ::testing::TestWithParam<std::string> {
 protected:
  virtual fs::path model() const { return test::golden_folder(GetParam()); }
  bool has_alibi() const { return GetParam() == "jina-bert-v2"; }

  /// Whose texts are encoded.
  virtual std::string cases() const { return GetParam(); }

  Embeddings encode(const fs::path& folder, const EncodeOptions& options) const {
    const auto texts = test::read_texts(test::source_path("tests/golden/" + cases()) / "cases.json");
    return SentenceEncoder::load({.model = folder.string(), .threads = 2}).encode(test::views(texts), options);
  }

  EncoderConfig config() const { return read_encoder_config(model()); }

  /// A profile of one length, a scale for each layer and head.
  Temperature profile(double (*scale_of)(double layer, double head)) const {
    TemperatureProfile table;
    table.lengths = {64};
    for (std::int64_t layer = 0; layer < config().num_layers; ++layer) {
      auto& heads = table.logit_scales.emplace_back();
      for (std::int64_t head = 0; head < config().num_heads; ++head) {
        heads.push_back({scale_of(static_cast<double>(layer), static_cast<double>(head))});
      }
    }
    return Temperature::from_profile(std::move(table), "test.json");
  }
  Temperature by_layer() const {
    return profile([](double layer, double) { return 0.8 + 0.9 / (1 + layer); });
  }
  Temperature by_head() const {
    return profile([](double, double head) { return 0.7 + 0.3 * head; });
  }
  Temperature by_layer_and_head() const {
    return profile([](double layer, double head) { return 0.7 + 0.4 * head + 0.21 * layer; });
  }

  /// The message of a refusal; "" without one.
  std::string refusal(const Temperature& temperature, const BakeOptions& options) const {
    try {
      const test::TestFolder folder;
      bake(model().string(), (folder / "out").string(), temperature, options);
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::invalid_argument);
      return error.what();
    }
    return {};
  }

  /// Maximum difference between the baked model and the original at a temperature.
  double difference(const Temperature& temperature, BakeOptions options) const {
    const test::TestFolder folder;
    bake(model().string(), (folder / "out").string(), temperature, options);
    EncodeOptions tempered;
    tempered.temperature = temperature;
    tempered.temper_position_bias = options.temper_position_bias;
    const auto original = encode(model(), tempered);
    const auto baked = encode(folder / "out", {});
    EXPECT_EQ(original.count, baked.count);
    return test::max_abs_difference({original.values.data(), original.count, original.dim},
                                    {baked.values.data(), baked.count, baked.dim});
  }
};

TEST_P(BakedModel, EqualsTheTemperedOriginal) {
  const double max_difference =
      difference(Temperature::constant(0.7), {.temper_position_bias = !has_alibi(), .dtype = BakedDType::float32});
  EXPECT_LE(max_difference, kTolerance);
  RecordProperty("max_abs_difference", std::to_string(max_difference));
}

TEST_P(BakedModel, APowerOfTwoIsExactInEveryType) {
  EXPECT_LE(difference(Temperature::constant(0.5), {.temper_position_bias = !has_alibi()}), kTolerance);
}

/// Each kind of profile is baked, or refused for the one reason that there is.
TEST_P(BakedModel, ProfilesOverLayersAndHeads) {
  const BakeOptions options{.temper_position_bias = false, .dtype = BakedDType::float32};
  const bool shares_layers = config().layer_groups() != config().num_layers;
  if (shares_layers) {
    EXPECT_NE(refusal(by_layer(), options).find("shares its weights"), std::string::npos);
    EXPECT_LE(difference(by_head(), options), kTolerance);
  } else if (config().qk_norm) {
    EXPECT_NE(refusal(by_layer_and_head(), options).find("one temperature a layer"), std::string::npos);
    EXPECT_LE(difference(by_layer(), options), kTolerance);
  } else {
    EXPECT_LE(difference(by_layer(), options), kTolerance);
    EXPECT_LE(difference(by_layer_and_head(), options), kTolerance);
  }
}

TEST_P(BakedModel, WhatDependsOnLengthIsRefused) {
  for (const char* written : {"log:128", "ssmax:0.4", "yarn:16"}) {
    const std::string message = refusal(Temperature::parse(written), {});
    EXPECT_NE(message.find(written), std::string::npos);
    EXPECT_NE(message.find("depends on how long"), std::string::npos);
  }
}

std::string test_name(const ::testing::TestParamInfo<std::string>& info) {
  std::string name = info.param;
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
}

INSTANTIATE_TEST_SUITE_P(Families, BakedModel, ::testing::ValuesIn(golden_models()), test_name);

/// Models whose position bias is in their weights.
class BakedPositionBias : public BakedModel {};

TEST_P(BakedPositionBias, MayBeLeftAlone) {
  EXPECT_LE(difference(Temperature::constant(0.7), {.temper_position_bias = false}), kTolerance);
}

TEST_P(BakedPositionBias, HasTheHeadsAsColumns) { EXPECT_LE(difference(by_head(), {}), kTolerance); }

INSTANTIATE_TEST_SUITE_P(Families, BakedPositionBias,
                         ::testing::Values("t5", "t5-gated-gelu", "mpnet", "mpnet-masked-lm"), test_name);

/// The golden DeBERTa with projections of its own for positions, and with each choice of score terms.
class BakedDeberta : public BakedModel {
 protected:
  BakedDeberta() {
    const fs::path golden = test::golden_folder("deberta-v3");
    fs::copy(golden, folder_ / "model", fs::copy_options::recursive);
    auto config = parse_json_file(golden / "config.json");
    config["share_att_key"] = false;
    config["pos_att_type"] = GetParam();
    test::write_all(folder_ / "model/config.json", config.dump());
    const auto archive = TensorArchive::open_folder(golden);
    std::vector<TensorToWrite> tensors;
    for (const auto& [name, tensor] : archive.tensors()) {
      tensors.push_back({name, tensor.dtype, tensor.shape, tensor.bytes});
      // Any values do; those of the content's projections, one for the other, are of a sensible size.
      for (const auto& [term, from, to] :
           {std::tuple("c2p", "query_proj", "pos_key_proj"), std::tuple("p2c", "key_proj", "pos_query_proj")}) {
        std::string copy = name;
        if (GetParam().find(term) == std::string::npos) continue;
        if (const auto at = copy.find(from); at != std::string::npos) {
          tensors.push_back({copy.replace(at, std::string(from).size(), to), tensor.dtype, tensor.shape, tensor.bytes});
        }
      }
    }
    write_safetensors(folder_ / "model/model.safetensors", tensors, {{"format", "pt"}});
  }

  fs::path model() const override { return folder_ / "model"; }
  std::string cases() const override { return "deberta-v3"; }

 private:
  test::TestFolder folder_;
};

TEST_P(BakedDeberta, EqualsTheTemperedOriginal) {
  EXPECT_LE(difference(Temperature::constant(0.7), {}), kTolerance);
  EXPECT_LE(difference(by_layer_and_head(), {}), kTolerance);
}

INSTANTIATE_TEST_SUITE_P(Terms, BakedDeberta, ::testing::Values("p2c|c2p", "p2c", "c2p"),
                         [](const auto& one) { return one.param.size() > 3 ? std::string("both") : one.param; });

Temperature table_profile(std::vector<std::int64_t> lengths, std::vector<std::vector<std::vector<double>>> scales) {
  TemperatureProfile table;
  table.lengths = std::move(lengths);
  table.logit_scales = std::move(scales);
  return Temperature::from_profile(std::move(table), "table.json");
}

TEST(BakedProfile, ForAnotherModelIsRefused) {
  const test::TestFolder folder;
  const auto profile = table_profile({1}, {{{2}}, {{2}}, {{2}}});
  try {
    bake(test::golden_folder("bert").string(), (folder / "out").string(), profile);
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::invalid_argument);
  }
}

TEST(BakedProfile, OfOnesIsNothingToBake) {
  const test::TestFolder folder;
  const auto profile = table_profile({1, 9}, {{{1, 1}}, {{1, 1}}});
  EXPECT_THROW(bake(test::golden_folder("bert").string(), (folder / "out").string(), profile), Error);
}

TEST(BakedProfile, OfOneColumnEqualsTheConstant) {
  const test::TestFolder folder;
  const auto profile = table_profile({7}, {{{1 / 0.7}}, {{1 / 0.7}}});
  bake(test::golden_folder("mpnet").string(), (folder / "profile").string(), profile);
  bake(test::golden_folder("mpnet").string(), (folder / "constant").string(), Temperature::constant(0.7));
  const auto one = TensorArchive::open_folder(folder / "profile");
  const auto other = TensorArchive::open_folder(folder / "constant");
  for (const auto& [name, tensor] : one.tensors()) {
    EXPECT_TRUE(std::ranges::equal(tensor.bytes, other.find(name)->bytes)) << name;
  }
}

}  // namespace
}  // namespace treble::internal
