// Both key forms of sentence-transformers' module configs, and everything that is neither.
#include "pooling/module_config.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "treble/error.h"

namespace treble::internal {
namespace {

void expect_error(ErrorCode code, const std::vector<std::string>& parts, const auto& call) {
  try {
    call();
    FAIL() << "no error; expected " << parts.front();
  } catch (const Error& error) {
    const std::string message = error.what();
    EXPECT_EQ(error.code(), code) << message;
    for (const auto& part : parts) EXPECT_NE(message.find(part), std::string::npos) << message << "\nlacks: " << part;
  }
}

PoolingConfig pooling(const std::string& text, std::int64_t hidden_size = 8) {
  return parse_pooling_config(JsonObject::from_text(text, "1_Pooling/config.json"), hidden_size);
}

void expect_pooling_error(const std::string& text, const std::vector<std::string>& parts,
                          ErrorCode code = ErrorCode::invalid_file) {
  std::vector<std::string> all = parts;
  all.emplace_back("1_Pooling/config.json");
  expect_error(code, all, [&] { pooling(text); });
}

using Modes = std::vector<PoolingMode>;

TEST(PoolingConfig, ReadsTheOldForm) {
  const auto config =
      pooling(R"({"word_embedding_dimension":8,"pooling_mode_cls_token":false,"pooling_mode_mean_tokens":true,
      "pooling_mode_max_tokens":false,"pooling_mode_mean_sqrt_len_tokens":false})");
  EXPECT_EQ(config.modes, Modes{PoolingMode::mean});
  EXPECT_TRUE(config.include_prompt);
}

TEST(PoolingConfig, ConcatenatesTheOldFormInFixedOrder) {
  const auto config = pooling(R"({"pooling_mode_lasttoken":true,"pooling_mode_weightedmean_tokens":true,
      "pooling_mode_mean_sqrt_len_tokens":true,"pooling_mode_mean_tokens":true,"pooling_mode_max_tokens":true,
      "pooling_mode_cls_token":true,"word_embedding_dimension":8,"include_prompt":false})");
  EXPECT_EQ(config.modes, (Modes{PoolingMode::cls, PoolingMode::max, PoolingMode::mean, PoolingMode::mean_sqrt_len,
                                 PoolingMode::weighted_mean, PoolingMode::last_token}));
  EXPECT_FALSE(config.include_prompt);
}

TEST(PoolingConfig, ReadsTheNewForm) {
  EXPECT_EQ(pooling(R"({"embedding_dimension":8,"pooling_mode":"mean"})").modes, Modes{PoolingMode::mean});
  EXPECT_EQ(pooling(R"({"embedding_dimension":8,"pooling_mode":"mean_sqrt_len_tokens"})").modes,
            Modes{PoolingMode::mean_sqrt_len});
  EXPECT_EQ(pooling(R"({"embedding_dimension":8,"pooling_mode":["mean","cls","lasttoken"]})").modes,
            (Modes{PoolingMode::mean, PoolingMode::cls, PoolingMode::last_token}));
  EXPECT_FALSE(pooling(R"({"embedding_dimension":8,"pooling_mode":"mean","include_prompt":false})").include_prompt);
}

TEST(PoolingConfig, TakesBothFormsOnlyWhenTheyAgree) {
  EXPECT_EQ(pooling(R"({"embedding_dimension":8,"word_embedding_dimension":8,"pooling_mode":["mean","cls"],
      "pooling_mode_mean_tokens":true,"pooling_mode_cls_token":true})")
                .modes,
            (Modes{PoolingMode::mean, PoolingMode::cls}));
  expect_pooling_error(R"({"embedding_dimension":8,"pooling_mode":"cls","pooling_mode_mean_tokens":true})",
                       {"says cls", "say mean"});
  expect_pooling_error(R"({"embedding_dimension":8,"pooling_mode":"cls","pooling_mode_mean_tokens":false})",
                       {"says cls", "say none"});
  expect_pooling_error(R"({"embedding_dimension":8,"word_embedding_dimension":9,"pooling_mode":"cls"})",
                       {"is 9", "is 8"});
}

TEST(PoolingConfig, GuessesNothing) {
  expect_pooling_error(R"({"word_embedding_dimension":8})", {"says nothing about how to pool", "pooling_mode"});
  expect_pooling_error(R"({"word_embedding_dimension":8,"pooling_mode_mean_tokens":false})",
                       {"no pooling mode is chosen"});
  expect_pooling_error(R"({"embedding_dimension":8,"pooling_mode":[]})", {"no pooling mode is chosen"});
  expect_pooling_error(R"({"pooling_mode":"mean"})", {"embedding_dimension"});
  expect_pooling_error(R"({"embedding_dimension":8,"pooling_mode":null})", {"pooling_mode", "null"});
}

TEST(PoolingConfig, RefusesWhatItDoesNotKnow) {
  expect_pooling_error(R"({"embedding_dimension":8,"pooling_mode":"median"})",
                       {"\"median\"", "cls, max, mean, mean_sqrt_len_tokens, weightedmean, lasttoken"});
  expect_pooling_error(R"({"embedding_dimension":8,"pooling_mode":["mean",3]})", {"list of names", "number"});
  expect_pooling_error(R"({"embedding_dimension":8,"pooling_mode_mean_tokens":"yes"})", {"true or false", "string"});
  expect_pooling_error(R"({"embedding_dimension":8,"pooling_mode":"mean","include_prompt":1})", {"include_prompt"});
  expect_pooling_error(R"({"embedding_dimension":8,"pooling_mode":"mean","pooling_mode_attention":true})",
                       {"pooling_mode_attention"}, ErrorCode::unsupported);
}

TEST(PoolingConfig, RefusesAnotherWidth) {
  expect_pooling_error(R"({"word_embedding_dimension":384,"pooling_mode_mean_tokens":true})",
                       {"is 384", "hidden size is 8"});
  expect_pooling_error(R"({"embedding_dimension":8.0,"pooling_mode":"mean"})", {"embedding_dimension", "an integer"});
}

DenseConfig dense(const std::string& text) {
  return parse_dense_config(JsonObject::from_text(text, "2_Dense/config.json"));
}

TEST(DenseConfig, ReadsOldAndNewKeys) {
  const auto old_form = dense(R"({"in_features":8,"out_features":4,"bias":false,
      "activation_function":"torch.nn.modules.linear.Identity"})");
  EXPECT_EQ(old_form.in_features, 8);
  EXPECT_EQ(old_form.out_features, 4);
  EXPECT_FALSE(old_form.bias);
  EXPECT_EQ(old_form.activation, Activation::identity);
  const auto new_form = dense(R"({"in_features":8,"out_features":8,"bias":true,"use_residual":true,
      "activation_function":"torch.nn.modules.activation.GELU","module_input_name":"sentence_embedding",
      "module_output_name":"sentence_embedding"})");
  EXPECT_TRUE(new_form.bias);
  EXPECT_TRUE(new_form.use_residual);
  EXPECT_EQ(new_form.activation, Activation::gelu);
  const auto defaults = dense(R"({"in_features":8,"out_features":4})");
  EXPECT_TRUE(defaults.bias);
  EXPECT_EQ(defaults.activation, Activation::tanh);
}

TEST(DenseConfig, KnowsTheActivations) {
  const auto activation = [](const std::string& path) {
    return dense(R"({"in_features":1,"out_features":1,"activation_function":")" + path + "\"}").activation;
  };
  EXPECT_EQ(activation("torch.nn.modules.activation.Tanh"), Activation::tanh);
  EXPECT_EQ(activation("torch.nn.modules.activation.ReLU"), Activation::relu);
  EXPECT_EQ(activation("torch.nn.modules.activation.SiLU"), Activation::silu);
  EXPECT_EQ(activation("torch.nn.modules.activation.Sigmoid"), Activation::sigmoid);
  EXPECT_EQ(activation("torch.nn.Identity"), Activation::identity);
  for (const char* path :
       {"torch.nn.modules.activation.LogSigmoid", "Tanh", "my.Tanh", "torch.nn.functional.gelu", "torch.nn."}) {
    expect_error(ErrorCode::unsupported,
                 {std::string("\"") + path + "\"", "Identity, GELU, ReLU", "2_Dense/config.json"},
                 [&] { activation(path); });
  }
}

TEST(DenseConfig, RefusesTheRest) {
  expect_error(ErrorCode::invalid_file, {"in_features"}, [] { dense(R"({"out_features":4})"); });
  expect_error(ErrorCode::invalid_file, {"out_features", "is 0"},
               [] { dense(R"({"in_features":4,"out_features":0})"); });
  expect_error(ErrorCode::invalid_file, {"in_features", "is -1"},
               [] { dense(R"({"in_features":-1,"out_features":4})"); });
  expect_error(ErrorCode::invalid_file, {"activation_function"},
               [] { dense(R"({"in_features":1,"out_features":1,"activation_function":null})"); });
  expect_error(ErrorCode::unsupported, {"module_input_name", "token_embeddings"},
               [] { dense(R"({"in_features":1,"out_features":1,"module_input_name":"token_embeddings"})"); });
}

TEST(NormalizeConfig, TakesOnlyTheTextsVector) {
  read_normalize_config(JsonObject::from_text("{}", "c"));
  read_normalize_config(JsonObject::from_text(
      R"({"module_input_name":"sentence_embedding","module_output_name":"sentence_embedding"})", "c"));
  expect_error(ErrorCode::unsupported, {"token_embeddings"}, [] {
    read_normalize_config(JsonObject::from_text(R"({"module_input_name":"token_embeddings"})", "c"));
  });
}

/// modules.json of these types; the path of module i is "i".
std::vector<ModuleEntry> modules(const std::vector<std::string>& types) {
  nlohmann::json json = nlohmann::json::array();
  for (std::size_t i = 0; i < types.size(); ++i) {
    json.push_back({{"idx", i}, {"name", std::to_string(i)}, {"path", std::to_string(i)}, {"type", types[i]}});
  }
  return parse_modules(json, "modules.json");
}

constexpr const char* kTransformer = "sentence_transformers.models.Transformer";
constexpr const char* kPooling = "sentence_transformers.models.Pooling";
constexpr const char* kStatic = "sentence_transformers.models.StaticEmbedding";

TEST(Modules, ReadsOldAndNewTypes) {
  const auto old_form =
      modules({kTransformer, kPooling, "sentence_transformers.models.Dense", "sentence_transformers.models.LayerNorm",
               "sentence_transformers.models.Dropout", "sentence_transformers.models.Normalize"});
  const auto new_form = modules({"sentence_transformers.base.modules.transformer.Transformer",
                                 "sentence_transformers.sentence_transformer.modules.pooling.Pooling",
                                 "sentence_transformers.base.modules.dense.Dense",
                                 "sentence_transformers.sentence_transformer.modules.layer_norm.LayerNorm",
                                 "sentence_transformers.sentence_transformer.modules.dropout.Dropout",
                                 "sentence_transformers.sentence_transformer.modules.normalize.Normalize"});
  const std::vector<ModuleKind> kinds = {ModuleKind::transformer, ModuleKind::pooling, ModuleKind::dense,
                                         ModuleKind::layer_norm,  ModuleKind::dropout, ModuleKind::normalize};
  ASSERT_EQ(old_form.size(), kinds.size());
  ASSERT_EQ(new_form.size(), kinds.size());
  for (std::size_t i = 0; i < kinds.size(); ++i) {
    EXPECT_EQ(old_form[i].kind, kinds[i]);
    EXPECT_EQ(new_form[i].kind, kinds[i]);
    EXPECT_EQ(old_form[i].path, std::to_string(i));
  }
}

TEST(Modules, AStaticEmbeddingNeedsNoPooling) {
  const auto chain = modules({kStatic, "sentence_transformers.models.Dense", "sentence_transformers.models.Normalize"});
  ASSERT_EQ(chain.size(), 3U);
  EXPECT_EQ(chain[0].kind, ModuleKind::static_embedding);
  EXPECT_EQ(chain[2].kind, ModuleKind::normalize);
  EXPECT_EQ(modules({kStatic}).size(), 1U);
}

TEST(Modules, RefusesOtherModulesByName) {
  for (const char* type :
       {"sentence_transformers.models.LSTM", "sentence_transformers.models.CNN", "sentence_transformers.models.BoW",
        "sentence_transformers.models.WordEmbeddings", "sentence_transformers.models.WordWeights",
        "sentence_transformers.models.CLIPModel", "sentence_transformers.models.Asym",
        "sentence_transformers.models.Router", "sentence_transformers.models.WeightedLayerPooling",
        "sentence_transformers.sparse_encoder.models.SpladePooling",
        "sentence_transformers.sparse_encoder.models.SparseAutoEncoder",
        "sentence_transformers.sparse_encoder.modules.mlm_transformer.MLMTransformer", "custom_st.Transformer",
        "Pooling", "pylate.models.Dense.Dense", ""}) {
    expect_error(ErrorCode::unsupported, {"modules.json: module 2", type, "Transformer, Pooling, Dense, LayerNorm"},
                 [&] { modules({kTransformer, kPooling, type}); });
  }
}

TEST(Modules, RefusesOtherOrders) {
  const std::vector<std::vector<std::string>> chains = {{kPooling},
                                                        {kTransformer},
                                                        {kPooling, kTransformer},
                                                        {kTransformer, "sentence_transformers.models.Dense", kPooling},
                                                        {kTransformer, kPooling, kPooling},
                                                        {kTransformer, kPooling, kTransformer},
                                                        {kTransformer, kTransformer, kPooling},
                                                        {kStatic, kPooling},
                                                        {kStatic, kStatic},
                                                        {kTransformer, kStatic},
                                                        {kTransformer, kPooling, kStatic}};
  for (const auto& chain : chains)
    expect_error(ErrorCode::unsupported, {"modules.json", "out of place"}, [&] { modules(chain); });
}

TEST(Modules, RefusesOtherJson) {
  const auto parse = [](const char* text) { parse_modules(parse_json_text(text, "modules.json"), "modules.json"); };
  for (const char* text :
       {"[]", "{}", "7", "[7]", R"([{"type":"sentence_transformers.models.Transformer"}])", R"([{"type":7,"path":""}])",
        R"([{"type":"sentence_transformers.models.Transformer","path":null}])"}) {
    expect_error(ErrorCode::invalid_file, {"modules.json"}, [&] { parse(text); });
  }
  for (const char* path : {"../x", "/x", "a/../..", "a\\u0000"}) {
    const std::string text =
        std::string(R"([{"type":"sentence_transformers.models.Transformer","path":")") + path + "\"}]";
    expect_error(ErrorCode::invalid_file, {"leaves the model's folder"}, [&] { parse(text.c_str()); });
  }
  // sentence-transformers would let the second replace the first.
  expect_error(ErrorCode::invalid_file, {"\"a\" appears twice"}, [&] {
    parse(R"([{"name":"a","type":"sentence_transformers.models.Transformer","path":""},
              {"name":"a","type":"sentence_transformers.models.Pooling","path":"1_Pooling"}])");
  });
}

}  // namespace
}  // namespace treble::internal
