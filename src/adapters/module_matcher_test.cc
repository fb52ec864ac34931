// The rules by which PEFT resolves names, expressions and patterns; the expected values are those of
// peft.tuners.tuners_utils.check_target_module_exists and peft.utils.other.get_pattern_key 0.21.
#include "adapters/module_matcher.h"

#include <gtest/gtest.h>

#include "treble/error.h"

namespace treble::internal {
namespace {

PeftConfig targets(ModuleNames names) {
  PeftConfig config;
  config.target_modules = std::move(names);
  return config;
}

TEST(ModuleMatcher, ANameIsTheEndOfAPathAtADot) {
  const PeftConfig config = targets(std::vector<std::string>{"query", "output.dense"});
  const ModuleMatcher matcher(config);
  EXPECT_TRUE(matcher.is_target("query"));
  EXPECT_TRUE(matcher.is_target("encoder.layer.0.attention.self.query"));
  EXPECT_TRUE(matcher.is_target("encoder.layer.0.attention.output.dense"));
  EXPECT_FALSE(matcher.is_target("encoder.layer.0.attention.self.my_query"));
  EXPECT_FALSE(matcher.is_target("encoder.layer.0.intermediate.dense"));
  EXPECT_FALSE(matcher.is_target("encoder.query.layer"));
}

TEST(ModuleMatcher, AStringIsAnExpressionForTheWholePath) {
  const PeftConfig config = targets(R"(.*layers\.\d+\.self_attn\.(?!o_proj)[qo]_proj)");
  const ModuleMatcher matcher(config);
  EXPECT_TRUE(matcher.is_target("model.layers.11.self_attn.q_proj"));
  EXPECT_FALSE(matcher.is_target("model.layers.11.self_attn.o_proj"));
  EXPECT_FALSE(matcher.is_target("model.layers.11.self_attn.q_proj.base"));
}

TEST(ModuleMatcher, AnExpressionThatTakesTooLongOrIsNoneIsAnError) {
  for (const char* expression : {"(a*)*(b*)*(a*)*(b*)*(a*)*c", "(", "(?P<name>x)"}) {
    const PeftConfig config = targets(expression);
    try {
      ModuleMatcher(config).is_target(std::string(60, 'a'));
      ADD_FAILURE() << expression;
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::unsupported);
      EXPECT_NE(std::string(error.what()).find(expression), std::string::npos) << error.what();
    }
  }
}

TEST(ModuleMatcher, ExcludedAndSavedModulesAreNoTargets) {
  PeftConfig config = targets(std::vector<std::string>{"dense"});
  config.exclude_modules = std::vector<std::string>{"pooler.dense"};
  config.modules_to_save = {"classifier"};
  EXPECT_FALSE(ModuleMatcher(config).is_target("bert.pooler.dense"));
  EXPECT_FALSE(ModuleMatcher(config).is_target("classifier.dense"));
  EXPECT_TRUE(ModuleMatcher(config).is_target("my_classifier.dense"));
  EXPECT_TRUE(ModuleMatcher(config).is_saved("classifier.dense"));
  EXPECT_FALSE(ModuleMatcher(config).is_saved("encoder.dense"));
  config.exclude_modules = std::string(".*layer\\.1\\..*");
  EXPECT_FALSE(ModuleMatcher(config).is_target("encoder.layer.1.dense"));
  EXPECT_TRUE(ModuleMatcher(config).is_target("encoder.layer.11.dense"));
}

TEST(ModuleMatcher, LayersAreTheFirstNumberOfAPath) {
  PeftConfig config = targets(std::vector<std::string>{"q_proj", "experts.1.up"});
  config.layers_to_transform = {1, 12};
  EXPECT_TRUE(ModuleMatcher(config).is_target("model.layers.1.q_proj"));
  EXPECT_TRUE(ModuleMatcher(config).is_target("model.layers.12.q_proj"));
  EXPECT_FALSE(ModuleMatcher(config).is_target("model.layers.2.q_proj"));
  EXPECT_FALSE(ModuleMatcher(config).is_target("model.layers.2.experts.1.up"));
  // Without a dot before it there is no holder of the number, unless layers_pattern names it.
  EXPECT_FALSE(ModuleMatcher(config).is_target("layers.1.q_proj"));
  config.layers_pattern = {"blocks", "layers"};
  EXPECT_TRUE(ModuleMatcher(config).is_target("layers.1.q_proj"));
  EXPECT_FALSE(ModuleMatcher(config).is_target("model.h.1.q_proj"));
}

TEST(ModuleMatcher, TheFirstPatternThatFitsGivesRankAndAlpha) {
  PeftConfig config = targets(std::vector<std::string>{"query"});
  config.rank = 4;
  config.alpha = 6;
  config.rank_pattern = {{"self.query", 2}, {"query", 16}};
  config.alpha_pattern = {{"^layer.1.self.query", 12}};
  EXPECT_EQ(ModuleMatcher(config).rank("layer.0.self.query"), 2);
  EXPECT_EQ(ModuleMatcher(config).rank("layer.0.cross.query"), 16);
  EXPECT_EQ(ModuleMatcher(config).rank("layer.0.key"), 4);
  EXPECT_EQ(ModuleMatcher(config).scale("layer.0.self.query"), 3.0);
  EXPECT_EQ(ModuleMatcher(config).scale("layer.1.self.query"), 6.0);
  config.rank_stabilized = true;
  EXPECT_EQ(ModuleMatcher(config).scale("layer.1.cross.query"), 1.5);
}

}  // namespace
}  // namespace treble::internal
