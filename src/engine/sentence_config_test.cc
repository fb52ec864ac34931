// sentence_bert_config.json, config_sentence_transformers.json and modules.json: obeyed, refused by name, or warned of.
#include <gtest/gtest.h>

#include <string>
#include <tuple>
#include <vector>

#include "engine/model_copy.h"

namespace treble::internal {
namespace {

using nlohmann::json;
using test::expect_words;
using test::ModelCopy;

TEST(SentenceConfig, WhatChangesVectorsIsRefused) {
  const json text = {{"method", "forward"}, {"method_output_name", "last_hidden_state"}};
  const json other = {{"method", "forward"}, {"method_output_name", json::array({"hidden_states", -2})}};
  const std::vector<std::tuple<const char*, json, std::string>> cases = {
      {"modality_config", {{"text", text}, {"message", text}}, "chat template"},
      {"modality_config", {{"text", other}}, "hidden_states"},
      {"modality_config", {{"image", text}}, "no \"text\""},
      {"transformer_task", "fill-mask", "feature-extraction"},
      {"query_expansion", {{"strategy", "fixed"}, {"length", 32}}, "query_expansion"},
      {"tokenizer_name_or_path", "bert-base-uncased", "tokenizer_name_or_path"},
      {"model_args", {{"rotary_scaling_factor", 2}}, "rotary_scaling_factor"},
      {"model_kwargs", {{"quantization_config", {{"load_in_4bit", true}}}}, "quantization_config"},
      {"config_args", {{"hidden_act", "relu"}}, "hidden_act"},
      {"tokenizer_args", {{"unk_token", "[X]"}}, "unk_token"},
      {"processing_kwargs", {{"text", {{"add_special_tokens", false}}}}, "add_special_tokens"},
      {"processing_kwargs", {{"text", {{"truncation", "only_second"}}}}, "only_second"}};
  for (const auto& [key, value, word] : cases) {
    const ModelCopy model("bert");
    model.set("sentence_bert_config.json", "module_output_name", "token_embeddings");
    model.set("sentence_bert_config.json", key, value);
    expect_words(model.load_error(), {"unsupported: ", "sentence_bert_config.json", word});
  }
}

/// A tokenizer_config.json that says the same has no effect beside a tokenizer.json; the argument has.
TEST(SentenceConfig, TokensThatAnArgumentAddsAreRefusedThoughTheTokenizerNamesThemToo) {
  const ModelCopy model("qwen3");
  model.set("tokenizer_config.json", "add_eos_token", true);
  EXPECT_EQ(model.load_error(), "no error");
  model.set("sentence_bert_config.json", "tokenizer_args", {{"add_eos_token", true}});
  expect_words(model.load_error(), {"unsupported: ", "sentence_bert_config.json", "add_eos_token"});
}

TEST(SentenceConfig, WhatDoesNotIsLeftAlone) {
  const std::vector<std::pair<const char*, json>> cases = {
      {"unpad_inputs", true},
      {"query_expansion", nullptr},
      {"model_args", {{"torch_dtype", "float16"}, {"add_pooling_layer", false}, {"attn_implementation", "eager"}}},
      {"config_args", {{"hidden_act", "gelu"}, {"trust_remote_code", true}}},
      {"tokenizer_args", {{"do_lower_case", true}, {"use_fast", true}}},
      {"processing_kwargs", {{"text", {{"truncation", true}}}, {"chat_template", {{"x", 1}}}}}};
  for (const auto& [key, value] : cases) {
    const ModelCopy model("bert");
    model.set("sentence_bert_config.json", key, value);
    EXPECT_TRUE(model.load().info().warnings.empty()) << key;
    EXPECT_EQ(model.load().info().max_length, 64) << key;
  }
}

TEST(SentenceConfig, UnknownKeysAreNamed) {
  const ModelCopy model("bert");
  model.set("sentence_bert_config.json", "rerank", true);
  expect_words(model.warning(), {"sentence_bert_config.json", "\"rerank\" is not used"});
}

TEST(FolderConfig, TheModelsOwnSimilarityIsRead) {
  const ModelCopy model("bert");
  EXPECT_EQ(model.load().info().similarity, Similarity::cosine);
  for (const char* name : {"dot", "euclidean", "manhattan"}) {
    model.set("config_sentence_transformers.json", "similarity_fn_name", name);
    EXPECT_EQ(to_string(model.load().info().similarity), name);
  }
  model.set("config_sentence_transformers.json", "similarity_fn_name", "maxsim");
  EXPECT_EQ(model.load().info().similarity, Similarity::cosine);
  expect_words(model.warning(), {"similarity_fn_name", "maxsim"});
}

TEST(FolderConfig, OtherKindsOfModelsAreRefused) {
  for (const char* type : {"SparseEncoder", "CrossEncoder"}) {
    const ModelCopy model("bert");
    model.set("config_sentence_transformers.json", "model_type", type);
    expect_words(model.load_error(), {"unsupported: ", "config_sentence_transformers.json", type});
  }
  // Its modules are of one vector a text.
  const ModelCopy model("bert");
  model.set("config_sentence_transformers.json", "model_type", "MultiVectorEncoder");
  expect_words(model.load_error(), {"unsupported: ", "modules.json", "module 1", "vector for each token"});
}

TEST(FolderConfig, PromptsMayBeNullAndQueryIsAlwaysThere) {
  const ModelCopy model("bert");
  model.set("config_sentence_transformers.json", "prompts", {{"passage", nullptr}});
  model.set("config_sentence_transformers.json", "default_prompt_name", "query");
  const SentenceEncoder encoder = model.load();
  EXPECT_EQ(encoder.info().prompts.at("passage"), "");
  const std::vector<std::string_view> texts = {"the harbour"};
  const auto values = [&](const char* name) { return encoder.encode(texts, {.prompt_name = name}).values; };
  EXPECT_EQ(values("query"), values(""));
  EXPECT_EQ(values("document"), values(""));
  model.set("config_sentence_transformers.json", "default_prompt_name", "other");
  expect_words(model.load_error(), {"invalid_file: ", "other"});
}

TEST(FolderConfig, WithoutModulesItsFilesAreNotRead) {
  const ModelCopy model("bert");
  model.erase("modules.json");
  model.set("config_sentence_transformers.json", "prompts", {{"query", "q: "}});
  const auto info = model.load().info();
  EXPECT_EQ(info.max_length, 96);
  EXPECT_TRUE(info.prompts.empty());
  EXPECT_EQ(info.warnings.size(), 2U);
}

TEST(FolderConfig, ModuleFoldersWithoutModulesAreReadOrRefused) {
  const ModelCopy model("bert");
  model.erase("modules.json");
  EXPECT_EQ(model.load().info().pooling, std::vector{PoolingMode::mean});
  model.write("1_Pooling/config.json", R"({"embedding_dimension":32,"pooling_mode":"cls"})");
  expect_words(model.load_error(), {"not_found: ", "modules.json", "1_Pooling", "mean"});
  model.erase("1_Pooling");
  model.write("2_Dense/config.json", R"({"in_features":32,"out_features":8})");
  expect_words(model.load_error(), {"not_found: ", "modules.json", "2_Dense"});
}

TEST(FolderConfig, AChatTemplateOfAPlainFolderIsRefused) {
  const ModelCopy model("bert");
  model.set("tokenizer_config.json", "chat_template", "{{ messages }}");
  EXPECT_EQ(model.load_error(), "no error");  // modules.json and its Transformer take plain texts
  model.erase("modules.json");
  expect_words(model.load_error(), {"unsupported: ", "tokenizer_config.json", "chat_template"});
  model.set("tokenizer_config.json", "chat_template", nullptr);
  model.write("chat_template.jinja", "x");
  expect_words(model.load_error(), {"unsupported: ", "chat_template.jinja"});
}

TEST(FolderConfig, UnknownKeysAreNamed) {
  const ModelCopy model("bert");
  model.set("config_sentence_transformers.json", "pooling_style", "mean");
  expect_words(model.warning(), {"config_sentence_transformers.json", "\"pooling_style\" is not used"});
  const ModelCopy dense("t5");
  dense.set("2_Dense/config.json", "temperature", 1);
  expect_words(dense.warning(), {"2_Dense/config.json", "\"temperature\" is not used"});
}

}  // namespace
}  // namespace treble::internal
