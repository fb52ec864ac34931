// config.json of NomicBERT with a mixture of experts; the rest of the family is in model_registry_test.cc.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "models/model_registry.h"
#include "treble/error.h"

namespace treble::internal {
namespace {

/// The sizes of nomic-embed-text-v2-moe, with these members besides.
EncoderConfig read_experts(const std::string& members) {
  const std::string text = fmt::format(
      R"({{"model_type": "nomic_bert", "n_embd": 768, "n_layer": 12, "n_head": 12, "n_inner": 3072,
           "activation_function": "gelu", "rotary_emb_fraction": 1.0{}{}}})",
      members.empty() ? "" : ", ", members);
  return read_encoder_config(JsonObject::from_text(text, "config.json"));
}

TEST(NomicExperts, StandInEveryOtherLayer) {
  const EncoderConfig config = read_experts(R"("num_experts": 8, "moe_top_k": 2, "moe_every_n_layers": 2)");
  EXPECT_EQ(config.experts.count, 8);
  EXPECT_EQ(config.experts.active, 2);
  EXPECT_EQ(config.experts.width, 3072);
  EXPECT_FALSE(config.experts.normalized);
  EXPECT_FALSE(config.gated);
  EXPECT_EQ(config.activation, Activation::gelu);
  EXPECT_TRUE(config.qkv_bias && config.output_bias && config.up_bias && config.down_bias);
  for (std::int64_t layer = 0; layer < 12; ++layer) EXPECT_EQ(config.has_experts(layer), layer % 2 == 1);
  // 475 million parameters, of which a token goes through 305.
  EXPECT_EQ(config.idle_parameters(), std::int64_t{6} * 6 * 2 * 3072 * 768);
  EXPECT_EQ(config.warnings, std::vector<std::string>{});
}

TEST(NomicExperts, StandWhereTheLayersNumberLeavesOne) {
  const auto layers = [](int every) {
    const EncoderConfig config =
        read_experts(fmt::format(R"("num_experts": 4, "moe_top_k": 1, "moe_every_n_layers": {})", every));
    std::vector<std::int64_t> found;
    for (std::int64_t layer = 0; layer < 12; ++layer) {
      if (config.has_experts(layer)) found.push_back(layer);
    }
    EXPECT_EQ(config.warnings.empty(), !found.empty());
    return found;
  };
  EXPECT_EQ(layers(3), (std::vector<std::int64_t>{1, 4, 7, 10}));
  EXPECT_EQ(layers(11), (std::vector<std::int64_t>{1}));
  EXPECT_EQ(layers(1), std::vector<std::int64_t>{});
  EXPECT_EQ(layers(0), std::vector<std::int64_t>{});
  EXPECT_EQ(read_experts("").experts.count, 0);
  EXPECT_EQ(read_experts(R"("num_experts": null, "moe_every_n_layers": null)").experts.count, 0);
}

/// Every key of the published configuration class that is not a size: what would change the numbers is read or refused.
TEST(NomicExperts, OtherValuesOfTheirKeysAreReadOrRefused) {
  const std::string all = R"("num_experts": 8, "moe_top_k": 2, "moe_every_n_layers": 2, )";
  for (const char* member : {R"("expert_choice_router": true)", R"("moe_impl": "torch")", R"("num_shared_experts": 1)",
                             R"("ffn_div": 0)", R"("moe_normalize_expert_weights": 2)",
                             R"("moe_normalize_expert_weights": "sum")", R"("scale_attn_by_inverse_layer_idx": true)",
                             R"("rotary_emb_interleaved": true)", R"("causal": true)", R"("use_rms_norm": true)"}) {
    EXPECT_THROW(read_experts(all + member), Error) << member;
  }
  EXPECT_EQ(read_experts(all + R"("ffn_div": 4)").experts.width, 768);
  for (const char* value : {"true", "1"}) {
    EXPECT_TRUE(read_experts(all + R"("moe_normalize_expert_weights": )" + value).experts.normalized);
  }
  for (const char* value : {"false", "null"}) {
    EXPECT_FALSE(read_experts(all + R"("moe_normalize_expert_weights": )" + value).experts.normalized);
  }
}

}  // namespace
}  // namespace treble::internal
