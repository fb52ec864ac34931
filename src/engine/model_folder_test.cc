// What the files beside the weights say: obeyed, refused by name, or said aloud. The limits are those that
// sentence-transformers 6.2 gives for the same folders.
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

#include "engine/model_copy.h"

namespace treble::internal {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using test::ModelCopy;

constexpr const char* kPointer =
    "version https://git-lfs.github.com/spec/v1\noid "
    "sha256:53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab1\n"
    "size 90868376\n";

void expect_words(const std::string& message, const std::vector<std::string>& words) {
  for (const std::string& word : words) EXPECT_NE(message.find(word), std::string::npos) << word << "\n" << message;
}

/// The only warning of the model.
std::string warning_of(const ModelCopy& model) {
  const auto warnings = model.load().info().warnings;
  return warnings.size() == 1 ? warnings.front() : std::to_string(warnings.size()) + " warnings";
}

// ---- files that are not what their names say ---------------------------------------------------------------------

TEST(FolderFiles, AGitLfsPointerIsNamed) {
  for (const char* file : {"model.safetensors", "tokenizer.json", "config.json", "modules.json",
                           "1_Pooling/config.json", "tokenizer_config.json", "sentence_bert_config.json"}) {
    const ModelCopy model("bert");
    model.write(file, kPointer);
    expect_words(model.load_error(), {"invalid_file: ", file, "a Git LFS pointer", "git lfs pull"});
  }
}

TEST(FolderFiles, ALinkToNowhereIsNeverTakenForAMissingFile) {
  for (const char* file : {"model.safetensors", "tokenizer.json", "config.json", "modules.json",
                           "1_Pooling/config.json", "tokenizer_config.json", "sentence_bert_config.json"}) {
    const ModelCopy model("bert");
    model.erase(file);
    fs::create_symlink("../../blobs/53aa5117", model.path() / file);
    expect_words(model.load_error(), {"not_found: ", file, "../../blobs/53aa5117", "fetch the model again"});
  }
}

TEST(FolderFiles, OtherFormatsAreNamedWithTheWayOut) {
  const std::vector<std::pair<const char*, std::vector<std::string>>> cases = {
      {"pytorch_model.bin", {"pytorch_model.bin", "save_pretrained"}},
      {"tf_model.h5", {"TensorFlow", "from_tf=True"}},
      {"flax_model.msgpack", {"Flax", "from_flax=True"}},
      {"bert-q4_k_m.gguf", {"GGUF", "model.safetensors of the model it was made from"}},
      {"onnx/model.onnx", {"onnx/model.onnx", "ONNX"}},
      {"openvino/openvino_model.xml", {"OpenVINO"}},
      {"model-00001-of-00002.safetensors", {"shards without model.safetensors.index.json"}},
      {"bert.safetensors", {"another name", "name it model.safetensors"}}};
  for (const auto& [file, words] : cases) {
    const ModelCopy model("bert");
    model.erase("model.safetensors");
    model.write(file, "x");
    expect_words(model.load_error(), {"not_found: ", "no model.safetensors"});
    expect_words(model.load_error(), words);
    model.erase("config.json");
    expect_words(model.load_error(), words);
  }
}

TEST(FolderFiles, AMissingTokenizerSaysWhatToMakeItOf) {
  for (const char* file : {"vocab.txt", "spiece.model", "sentencepiece.bpe.model", "tokenizer_config.json"}) {
    const ModelCopy model("bert");
    model.erase("tokenizer.json");
    model.erase("tokenizer_config.json");
    model.write(file, "{}");
    expect_words(model.load_error(), {"not_found: ", "tokenizer.json", file, "AutoTokenizer", "save_pretrained"});
  }
}

TEST(FolderFiles, AMissingShardIsNamed) {
  const ModelCopy model("bert-sharded");
  model.erase("model-00002-of-00003.safetensors");
  expect_words(model.load_error(), {"not_found: ", "model.safetensors.index.json", "model-00002-of-00003.safetensors"});
}

TEST(FolderFiles, AnAdapterIsRefusedBesideTheWeightsAndAlone) {
  for (const char* file : {"adapter_config.json", "adapter_model.safetensors"}) {
    const ModelCopy model("bert");
    model.write(file, "{}");
    expect_words(model.load_error(), {"unsupported: ", file, "PEFT adapter that changes the weights", "merge"});
    model.erase("model.safetensors");
    model.erase("config.json");
    expect_words(model.load_error(), {"unsupported: ", file, "without its base model", "merge"});
  }
}

TEST(FolderFiles, AQuantisationIsRefusedByItsName) {
  const std::vector<std::tuple<const char*, json, std::string>> cases = {
      {"quantization_config", {{"quant_method", "gptq"}, {"bits", 4}}, "(gptq, 4 bits)"},
      {"quantization_config", {{"quant_method", "awq"}, {"bits", 4}}, "(awq, 4 bits)"},
      {"quantization_config", {{"load_in_4bit", true}}, "(bitsandbytes)"},
      {"quantization", {{"group_size", 64}, {"bits", 4}}, "(MLX, 4 bits)"}};
  for (const auto& [key, value, word] : cases) {
    const ModelCopy model("bert");
    model.set("config.json", key, value);
    expect_words(model.load_error(), {"unsupported: ", "config.json", key, word});
  }
}

TEST(FolderFiles, QuantisedTensorsAreNamedWithoutTheConfigsWord) {
  for (const auto& [suffix, method] :
       {std::pair{".qweight", "GPTQ"}, {".absmax", "bitsandbytes"}, {".SCB", "8 bits"}, {".scales", "MLX"}}) {
    const ModelCopy model("bert");
    const auto archive = TensorArchive::open_folder(model.path());
    std::vector<TensorToWrite> tensors;
    for (const auto& [name, tensor] : archive.tensors())
      tensors.push_back({name, tensor.dtype, tensor.shape, tensor.bytes});
    const std::vector<std::byte> byte(1);
    tensors.push_back({std::string("encoder.layer.0.output.dense") + suffix, DType::kU8, {1}, byte});
    write_safetensors(model.path() / "model.safetensors", tensors);
    expect_words(model.load_error(), {"unsupported: ", "model.safetensors", suffix, method});
  }
}

/// A Hugging Face cache of one repository, org/tiny, with the snapshots "aaa" (a whole model) and more.
class Cache {
 public:
  Cache() : home_(fs::temp_directory_path() / ("treble-cache-" + std::to_string(::getpid()))) {
    fs::remove_all(home_);
    fs::create_directories(repository() / "blobs");
    fs::create_directories(repository() / "snapshots");
    fs::copy(test::model_path("bert"), repository() / "snapshots" / "aaa", fs::copy_options::recursive);
    for (const char* name : {"HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE"}) ::unsetenv(name);
    ::setenv("HF_HOME", home_.c_str(), 1);
  }
  ~Cache() {
    ::unsetenv("HF_HOME");
    fs::remove_all(home_);
  }
  fs::path repository() const { return home_ / "hub" / "models--org--tiny"; }
  void refer_to(const std::string& commit) const {
    fs::create_directories(repository() / "refs");
    std::ofstream(repository() / "refs" / "main") << commit;
  }
  std::string load_error(const std::string& name = "org/tiny") const {
    return test::error_of([&] { SentenceEncoder::load({.model = name, .threads = 1}); });
  }

 private:
  fs::path home_;
};

TEST(FolderFiles, AnUnfinishedCacheIsNamed) {
  const Cache cache;
  EXPECT_EQ(cache.load_error(), "no error");
  EXPECT_EQ(cache.load_error(cache.repository().string()), "no error");
  cache.refer_to("bbb");
  expect_words(cache.load_error(), {"not_found: ", "refs/main names the snapshot bbb", "there is aaa"});
  fs::remove_all(cache.repository() / "refs");
  fs::create_directories(cache.repository() / "snapshots" / "bbb");
  expect_words(cache.load_error(), {"not_found: ", "2 snapshots (aaa, bbb)", "refs/main"});
  cache.refer_to("bbb");
  std::ofstream(cache.repository() / "blobs" / "53aa.incomplete") << "half";
  expect_words(cache.load_error(), {"not_found: ", "neither model.safetensors", ".incomplete"});
  fs::remove_all(cache.repository() / "snapshots");
  fs::remove_all(cache.repository() / "refs");
  expect_words(cache.load_error(), {"not_found: ", "no snapshot"});
}

// ---- how long a text may be --------------------------------------------------------------------------------------

/// "tokens by source".
std::string limit_of(const ModelCopy& model) {
  const auto info = model.load().info();
  return std::to_string(info.max_length) + " by " + info.max_length_source;
}

TEST(LengthLimit, TheModulesOwnWinsOverTheTokenizers) {
  const ModelCopy model("bert");
  const std::string own = "64 by max_seq_length of sentence_bert_config.json";
  EXPECT_EQ(limit_of(model), own);
  model.set("tokenizer_config.json", "model_max_length", 16);
  EXPECT_EQ(limit_of(model), own);
  model.set("sentence_bert_config.json", "tokenizer_args", {{"model_max_length", 30}});
  EXPECT_EQ(limit_of(model), "30 by model_max_length of sentence_bert_config.json");
  model.set("sentence_bert_config.json", "processing_kwargs", {{"text", {{"max_length", 8}}}});
  EXPECT_EQ(limit_of(model), "8 by max_length of sentence_bert_config.json");
  model.set("sentence_bert_config.json", "processing_kwargs",
            {{"text", {{"max_length", 8}}}, {"common", {{"max_length", 9}}}});
  EXPECT_EQ(limit_of(model), "9 by max_length of sentence_bert_config.json");
}

TEST(LengthLimit, WithoutItsOwnTheTokenizersOrThePositionsCount) {
  const ModelCopy model("bert");  // 96 positions
  model.set("sentence_bert_config.json", "max_seq_length", nullptr);
  model.set("tokenizer_config.json", "model_max_length", 40);
  EXPECT_EQ(limit_of(model), "40 by model_max_length of tokenizer_config.json");
  model.set("tokenizer_config.json", "model_max_length", 1e30);
  EXPECT_EQ(limit_of(model), "96 by max_position_embeddings of config.json");
  model.erase("tokenizer_config.json");
  EXPECT_EQ(limit_of(model), "96 by max_position_embeddings of config.json");
}

TEST(LengthLimit, APositionTableCutsEveryLimit) {
  const ModelCopy model("bert");
  model.set("sentence_bert_config.json", "max_seq_length", 512);
  EXPECT_EQ(limit_of(model), "96 by the position table");
  expect_words(warning_of(model), {"max_seq_length of sentence_bert_config.json is 512", "96 tokens"});
  // RoBERTa's table has two rows that no token gets.
  const ModelCopy roberta("xlm-roberta");
  const auto rows = parse_json_file(roberta.path() / "config.json").at("max_position_embeddings").get<std::int64_t>();
  roberta.set("tokenizer_config.json", "model_max_length", 1e30);
  EXPECT_EQ(limit_of(roberta), std::to_string(rows - 2) + " by the position table");
  EXPECT_TRUE(roberta.load().info().warnings.empty());
}

TEST(LengthLimit, WithoutATableNoNumberIsALimitButTheModelsOwn) {
  const ModelCopy rotary("qwen3");
  const auto positions =
      parse_json_file(rotary.path() / "config.json").at("max_position_embeddings").get<std::int64_t>();
  rotary.set("sentence_bert_config.json", "max_seq_length", nullptr);
  EXPECT_EQ(limit_of(rotary), std::to_string(positions) + " by max_position_embeddings of config.json");
  rotary.set("sentence_bert_config.json", "max_seq_length", 4 * positions);
  EXPECT_EQ(limit_of(rotary), std::to_string(4 * positions) + " by max_seq_length of sentence_bert_config.json");
  EXPECT_EQ(rotary.load().info().position_limit, 4 * positions);

  const ModelCopy relative("t5");
  relative.set("sentence_bert_config.json", "max_seq_length", nullptr);
  EXPECT_EQ(limit_of(relative), "131072 by the most that Treble reads, as the model has no limit");
  relative.set("tokenizer_config.json", "model_max_length", 700);
  EXPECT_EQ(limit_of(relative), "700 by model_max_length of tokenizer_config.json");
}

/// Rotary positions beyond max_position_embeddings go on as within: a longer limit of config.json changes nothing.
TEST(LengthLimit, RotaryPositionsGoOnBeyondTheStatedOnes) {
  const ModelCopy model("qwen3");
  const auto positions =
      parse_json_file(model.path() / "config.json").at("max_position_embeddings").get<std::int64_t>();
  model.set("sentence_bert_config.json", "max_seq_length", 2 * positions);
  std::string text;
  for (std::int64_t i = 0; i < 3 * positions / 2; ++i) text += "a ";
  const std::vector<std::string_view> texts = {text};
  const auto beyond = model.load().encode(texts);
  EXPECT_GT(beyond.token_counts.front().used, positions);
  model.set("config.json", "max_position_embeddings", 2 * positions);
  EXPECT_EQ(beyond.values, model.load().encode(texts).values);
}

TEST(LengthLimit, SenselessNumbersAreErrors) {
  for (const json& value : {json(0), json(-5), json(1.5), json("64"), json(true), json::array({64})}) {
    const ModelCopy model("bert");
    model.set("sentence_bert_config.json", "max_seq_length", value);
    expect_words(model.load_error(), {"invalid_file: ", "sentence_bert_config.json", "max_seq_length"});
  }
}

TEST(LengthLimit, EveryNameOfTheFileIsRead) {
  for (const char* name : {"roberta", "distilbert", "camembert", "albert", "xlm-roberta", "xlnet"}) {
    const ModelCopy model("bert");
    model.write("sentence_bert_config.json", "{}");
    const std::string file = std::string("sentence_") + name + "_config.json";
    model.write(file, R"({"max_seq_length":20})");
    EXPECT_EQ(limit_of(model), "20 by max_seq_length of " + file);
  }
  const ModelCopy model("bert");
  model.write("sentence_mpnet_config.json", R"({"max_seq_length":20})");
  EXPECT_EQ(limit_of(model), "64 by max_seq_length of sentence_bert_config.json");
  expect_words(warning_of(model), {"sentence_mpnet_config.json", "not read"});
}

TEST(LengthLimit, APromptThatFillsItIsAnError) {
  const ModelCopy model("bert");
  const auto encoder = model.load();
  EncodeOptions options;
  options.prompt = std::string("a a a a a a ");
  options.max_length = 8;  // six tokens, and the special ones
  const std::vector<std::string_view> texts = {"the ferry"};
  expect_words(test::error_of([&] { encoder.encode(texts, options); }),
               {"invalid_argument: ", "the prompt", "8 tokens", "nothing of any text"});
  options.max_length = 9;
  EXPECT_EQ(encoder.encode(texts, options).token_counts.front().used, 9);
}

// ---- sentence_bert_config.json -----------------------------------------------------------------------------------

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
  expect_words(warning_of(model), {"sentence_bert_config.json", "\"rerank\" is not used"});
}

// ---- config_sentence_transformers.json and the modules -----------------------------------------------------------

TEST(ModelConfig, TheModelsOwnSimilarityIsRead) {
  const ModelCopy model("bert");
  EXPECT_EQ(model.load().info().similarity, Similarity::cosine);
  for (const char* name : {"dot", "euclidean", "manhattan"}) {
    model.set("config_sentence_transformers.json", "similarity_fn_name", name);
    EXPECT_EQ(to_string(model.load().info().similarity), name);
  }
  model.set("config_sentence_transformers.json", "similarity_fn_name", "maxsim");
  EXPECT_EQ(model.load().info().similarity, Similarity::cosine);
  expect_words(warning_of(model), {"similarity_fn_name", "maxsim"});
}

TEST(ModelConfig, OtherKindsOfModelsAreRefused) {
  for (const char* type : {"SparseEncoder", "CrossEncoder", "MultiVectorEncoder"}) {
    const ModelCopy model("bert");
    model.set("config_sentence_transformers.json", "model_type", type);
    expect_words(model.load_error(), {"unsupported: ", "config_sentence_transformers.json", type});
  }
}

TEST(ModelConfig, PromptsMayBeNullAndQueryIsAlwaysThere) {
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

TEST(ModelConfig, WithoutModulesItsFilesAreNotRead) {
  const ModelCopy model("bert");
  model.erase("modules.json");
  model.set("config_sentence_transformers.json", "prompts", {{"query", "q: "}});
  const auto info = model.load().info();
  EXPECT_EQ(info.max_length, 96);
  EXPECT_TRUE(info.prompts.empty());
  EXPECT_EQ(info.warnings.size(), 2U);
}

TEST(ModelConfig, ModuleFoldersWithoutModulesAreReadOrRefused) {
  const ModelCopy model("bert");
  model.erase("modules.json");
  EXPECT_EQ(model.load().info().pooling, std::vector{PoolingMode::mean});
  model.write("1_Pooling/config.json", R"({"embedding_dimension":32,"pooling_mode":"cls"})");
  expect_words(model.load_error(), {"not_found: ", "modules.json", "1_Pooling", "mean"});
  model.erase("1_Pooling");
  model.write("2_Dense/config.json", R"({"in_features":32,"out_features":8})");
  expect_words(model.load_error(), {"not_found: ", "modules.json", "2_Dense"});
}

TEST(ModelConfig, AChatTemplateOfAPlainFolderIsRefused) {
  const ModelCopy model("bert");
  model.set("tokenizer_config.json", "chat_template", "{{ messages }}");
  EXPECT_EQ(model.load_error(), "no error");  // modules.json and its Transformer take plain texts
  model.erase("modules.json");
  expect_words(model.load_error(), {"unsupported: ", "tokenizer_config.json", "chat_template"});
  model.set("tokenizer_config.json", "chat_template", nullptr);
  model.write("chat_template.jinja", "x");
  expect_words(model.load_error(), {"unsupported: ", "chat_template.jinja"});
}

TEST(ModelConfig, UnknownKeysAreNamed) {
  const ModelCopy model("bert");
  model.set("config_sentence_transformers.json", "pooling_style", "mean");
  expect_words(warning_of(model), {"config_sentence_transformers.json", "\"pooling_style\" is not used"});
  const ModelCopy dense("t5");
  dense.set("2_Dense/config.json", "temperature", 1);
  expect_words(warning_of(dense), {"2_Dense/config.json", "\"temperature\" is not used"});
}

TEST(ModelFolderFile, ATokenBeyondTheTableNamesBoth) {
  const ModelCopy model("bert");
  auto tokenizer = parse_json_file(model.path() / "tokenizer.json");
  tokenizer["model"]["vocab"]["the"] = 5000;
  model.write("tokenizer.json", tokenizer.dump());
  const std::vector<std::string_view> texts = {"the"};
  expect_words(test::error_of([&] { model.load().encode(texts); }),
               {"invalid_file: ", "embeddings.word_embeddings.weight", "rows", "text 0", "5000", "tokenizer"});
}

}  // namespace
}  // namespace treble::internal
