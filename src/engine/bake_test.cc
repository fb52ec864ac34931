// The promise of baking: the baked folder at temperature 1 is the original at that temperature. For every golden
// family.
#include "treble/bake.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "bake/test_folder.h"
#include "engine/golden_support.h"
#include "kernels/test_support.h"
#include "treble/error.h"
#include "treble/sentence_encoder.h"

namespace treble {
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
  fs::path model() const { return test::golden_folder(GetParam()); }
  bool has_alibi() const { return GetParam() == "jina-bert-v2"; }

  Embeddings encode(const fs::path& folder, const EncodeOptions& options) const {
    const auto texts = test::read_texts(test::source_path("tests/golden/" + GetParam()) / "cases.json");
    return SentenceEncoder::load({.model = folder.string(), .threads = 2}).encode(test::views(texts), options);
  }

  /// Greatest difference between the baked model and the original at a temperature.
  double difference(const Temperature& temperature, BakeOptions options) const {
    const test::TestFolder folder;
    bake(model().string(), (folder / "out").string(), temperature, options);
    EncodeOptions tempered;
    tempered.temperature = temperature;
    tempered.temper_position_bias = options.temper_position_bias;
    const auto original = encode(model(), tempered);
    const auto baked = encode(folder / "out", {});
    EXPECT_EQ(original.count, baked.count);
    return test::greatest_difference({original.values.data(), original.count, original.dim},
                                     {baked.values.data(), baked.count, baked.dim});
  }
};

TEST_P(BakedModel, EqualsTheTemperedOriginal) {
  const double greatest =
      difference(Temperature::constant(0.7), {.temper_position_bias = !has_alibi(), .dtype = BakedDType::float32});
  EXPECT_LE(greatest, kTolerance);
  RecordProperty("greatest_difference", std::to_string(greatest));
}

TEST_P(BakedModel, APowerOfTwoIsExactInEveryType) {
  EXPECT_LE(difference(Temperature::constant(0.5), {.temper_position_bias = !has_alibi()}), kTolerance);
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

INSTANTIATE_TEST_SUITE_P(Families, BakedPositionBias,
                         ::testing::Values("t5", "t5-gated-gelu", "mpnet", "mpnet-masked-lm"), test_name);

}  // namespace
}  // namespace treble
