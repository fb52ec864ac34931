#include "bake/bake_plan.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "treble/error.h"

namespace treble::internal {
namespace {

namespace fs = std::filesystem;

/// A golden model's plan for a table of scales.
class Plan {
 public:
  explicit Plan(const std::string& model)
      : folder_(fs::path(TREBLE_SOURCE_DIR) / "tests/golden" / model / "model"), model_(open_model(folder_)) {}

  const EncoderConfig& config() const { return model_.layout.config; }

  std::vector<TensorChange> make(const LogitScales& scales, bool temper_position_bias = true) const {
    return plan_bake(model_.layout, model_.archive, scales, temper_position_bias);
  }

  LogitScales uniform(double scale) const {
    return table([scale](std::int64_t, std::int64_t) { return scale; });
  }
  LogitScales by_layer() const {
    return table([](std::int64_t layer, std::int64_t) { return 1.25 + static_cast<double>(layer); });
  }
  LogitScales by_head() const {
    return table([](std::int64_t, std::int64_t head) { return 1.25 + static_cast<double>(head); });
  }

  /// The message of the refusal, "" without one.
  std::string refusal(const LogitScales& scales, bool temper_position_bias = true) const {
    try {
      make(scales, temper_position_bias);
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::invalid_argument);
      return error.what();
    }
    return {};
  }

  std::set<std::string> names(bool temper_position_bias = true) const {
    std::set<std::string> result;
    for (const auto& change : make(uniform(2), temper_position_bias)) result.insert(change.name);
    return result;
  }

 private:
  template <typename F>
  LogitScales table(F scale_of) const {
    std::vector<std::vector<double>> layers;
    for (std::int64_t layer = 0; layer < model_.layout.config.num_layers; ++layer) {
      auto& heads = layers.emplace_back();
      for (std::int64_t head = 0; head < model_.layout.config.num_heads; ++head) heads.push_back(scale_of(layer, head));
    }
    return LogitScales(layers);
  }

  fs::path folder_;
  OpenedModel model_;
};

using Names = std::set<std::string>;

TEST(BakePlan, QueriesOfEachLayer) {
  EXPECT_EQ(Plan("bert").names(),
            (Names{"encoder.layer.0.attention.self.query.weight", "encoder.layer.0.attention.self.query.bias",
                   "encoder.layer.1.attention.self.query.weight", "encoder.layer.1.attention.self.query.bias"}));
  EXPECT_TRUE(Plan("bert-masked-lm").names().contains("bert.encoder.layer.0.attention.self.query.bias"));
}

TEST(BakePlan, OnlyTheQueryRowsOfAFusedProjection) {
  const Plan plan("gte-new");
  const auto changes = plan.make(plan.uniform(2));
  const auto width = plan.config().num_heads * plan.config().head_width();
  ASSERT_FALSE(changes.empty());
  for (const auto& change : changes) {
    EXPECT_NE(change.name.find("qkv_proj"), std::string::npos);
    EXPECT_EQ(change.rows.size(), static_cast<std::size_t>(width));
    EXPECT_EQ(change.shape.front(), 3 * width);
  }
}

TEST(BakePlan, TheGainOfAQueryNormInsteadOfTheQueries) {
  for (const char* model : {"qwen3", "gemma3-text"}) {
    const Plan plan(model);
    const auto changes = plan.make(plan.uniform(2));
    EXPECT_EQ(static_cast<std::int64_t>(changes.size()), plan.config().num_layers);
    for (const auto& change : changes) {
      EXPECT_NE(change.name.find("q_norm.weight"), std::string::npos);
      EXPECT_EQ(change.plus_one, std::string(model) == "gemma3-text");
    }
  }
}

TEST(BakePlan, TheSharedPositionBiasIfItIsTempered) {
  const std::string t5 = "encoder.block.0.layer.0.SelfAttention.relative_attention_bias.weight";
  EXPECT_TRUE(Plan("t5").names().contains(t5));
  EXPECT_FALSE(Plan("t5").names(false).contains(t5));
  EXPECT_TRUE(Plan("mpnet").names().contains("encoder.relative_attention_bias.weight"));
  EXPECT_FALSE(Plan("mpnet").names(false).contains("encoder.relative_attention_bias.weight"));
}

TEST(BakePlan, TheHeadsOfThePositionBiasAreItsColumns) {
  const Plan plan("mpnet");
  const auto scales = plan.by_head();
  const auto changes = plan.make(scales);
  EXPECT_EQ(changes.front().cols, scales.of_layer(0));
  EXPECT_NE(plan.refusal(plan.by_layer()).find("BakeOptions::temper_position_bias=false"), std::string::npos);
  EXPECT_EQ(plan.refusal(plan.by_layer(), false), "");
}

TEST(BakePlan, DebertaSharesItsProjections) {
  for (const auto& name : Plan("deberta-v3").names()) EXPECT_NE(name.find(".query_proj."), std::string::npos);
}

TEST(BakePlan, AlibiOnlyWhenTheBiasIsLeftAlone) {
  const Plan plan("jina-bert-v2");
  const auto message = plan.refusal(plan.uniform(2));
  EXPECT_NE(message.find("slopes of ALiBi"), std::string::npos);
  EXPECT_NE(message.find("BakeOptions::temper_position_bias=false"), std::string::npos);
  EXPECT_EQ(plan.refusal(plan.uniform(2), false), "");
}

TEST(BakePlan, OneNormForAllHeadsHasOneTemperature) {
  for (const char* model : {"qwen3", "gemma3-text"}) {
    const Plan plan(model);
    EXPECT_NE(plan.refusal(plan.by_head()).find("one temperature a layer"), std::string::npos);
    EXPECT_EQ(plan.refusal(plan.by_layer()), "");
  }
}

TEST(BakePlan, LayersThatShareWeightsShareTheTemperature) {
  const Plan plan("albert");
  EXPECT_NE(plan.refusal(plan.by_layer()).find("shares its weights"), std::string::npos);
  EXPECT_EQ(plan.refusal(plan.by_head()), "");
  // Two layers a group, equal within each.
  const Plan groups("albert-groups");
  std::vector<std::vector<double>> table;
  for (std::int64_t layer = 0; layer < groups.config().num_layers; ++layer) {
    const auto group = layer * groups.config().layer_groups() / groups.config().num_layers;
    table.emplace_back(static_cast<std::size_t>(groups.config().num_heads), 2.0 + static_cast<double>(group));
  }
  EXPECT_EQ(groups.refusal(LogitScales(table)), "");
}

TEST(BakePlan, LayersAtOneAreNotTouched) {
  const Plan plan("bert");
  const auto heads = static_cast<std::size_t>(plan.config().num_heads);
  const auto changes = plan.make(LogitScales({std::vector<double>(heads, 1.0), std::vector<double>(heads, 1.5)}));
  ASSERT_EQ(changes.size(), 2U);
  EXPECT_EQ(changes.front().name, "encoder.layer.1.attention.self.query.weight");
}

}  // namespace
}  // namespace treble::internal
