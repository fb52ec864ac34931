// Folders that cannot be loaded, or not as they stand: every fault is an error that names the file.
#include <gtest/gtest.h>

#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "engine/model_copy.h"

namespace treble::internal {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using test::error_of;
using test::expect_words;
using test::model_path;
using test::ModelCopy;

constexpr const char* kPointer =
    "version https://git-lfs.github.com/spec/v1\noid "
    "sha256:53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab1\n"
    "size 90868376\n";

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
      {"pytorch_model.bin", {"pytorch_model.bin", "pickle", "`treble convert ", " --in-place`"}},
      {"pytorch_model-00001-of-00002.bin", {"pytorch_model-00001-of-00002.bin", "pickle", "`treble convert "}},
      {"pytorch_model.bin.index.json", {"pytorch_model.bin.index.json", "fetch the files that it names too"}},
      {"model.pth", {"model.pth", "pickle", "`treble convert "}},
      {"last.ckpt", {"last.ckpt", "training checkpoint", "`treble convert "}},
      {"tf_model.h5", {"TensorFlow", "from_tf=True", "pytorch_model.bin and `treble convert`"}},
      {"flax_model.msgpack", {"Flax", "from_flax=True", "pytorch_model.bin and `treble convert`"}},
      {"bert-q4_k_m.gguf", {"GGUF", "/bert-q4_k_m.gguf -o NEW-FOLDER`", "model.safetensors of the model"}},
      {"onnx/model.onnx", {"onnx/model.onnx", "an ONNX export", "pytorch_model.bin and `treble convert` it"}},
      {"openvino/openvino_model.xml", {"OpenVINO", "fetch model.safetensors"}},
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

TEST(FolderFiles, AllFilesOfOtherFormatsAreNamedAndTheEasiestWayOut) {
  const ModelCopy model("bert");
  model.erase("model.safetensors");
  for (const char* file : {"onnx/model.onnx", "onnx/model_O4.onnx", "openvino/openvino_model.xml", "tf_model.h5",
                           "bert-f16.gguf", "bert-q8_0.gguf"}) {
    model.write(file, "x");
  }
  expect_words(model.load_error(), {"only bert-f16.gguf, bert-q8_0.gguf, tf_model.h5, onnx/model.onnx and 2 more. ",
                                    "bert-f16.gguf: the GGUF format"});
  model.write("pytorch_model.bin", "x");
  expect_words(model.load_error(), {"only pytorch_model.bin, bert-f16.gguf", "pytorch_model.bin: PyTorch's pickle",
                                    "`treble convert " + model.path().string() + " --in-place`"});
}

TEST(FolderFiles, ADenseModuleInAnotherFormatIsSentToItsConverter) {
  const ModelCopy model("gemma3-text");
  model.erase("2_Dense/model.safetensors");
  model.write("2_Dense/pytorch_model.bin", "x");
  expect_words(model.load_error(), {"not_found: ", "pytorch_model.bin", "/2_Dense --in-place`"});
}

TEST(FolderFiles, APickleOfMamba2sAuthorsIsSentToItsConverter) {
  const ModelCopy model("bert");
  model.erase("model.safetensors");
  model.write("pytorch_model.bin", "x");
  model.write("config.json", R"({"d_model": 16, "n_layer": 2, "ssm_cfg": {"layer": "Mamba2"}})");
  expect_words(model.load_error(),
               {"not_found: ", "pytorch_model.bin", "`treble convert " + model.path().string() + " --in-place`"});
}

TEST(FolderFiles, AMissingTokenizerSaysWhatToMakeItOf) {
  for (const char* file : {"tokenizer.model", "spm.model", "tokenizer_config.json"}) {
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
    fs::copy(model_path("bert"), repository() / "snapshots" / "aaa", fs::copy_options::recursive);
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
    return error_of([&] { SentenceEncoder::load({.model = name, .threads = 1}); });
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

TEST(FolderFiles, ATokenBeyondTheTableNamesBoth) {
  const ModelCopy model("bert");
  auto tokenizer = parse_json_file(model.path() / "tokenizer.json");
  tokenizer["model"]["vocab"]["the"] = 5000;
  model.write("tokenizer.json", tokenizer.dump());
  const std::vector<std::string_view> texts = {"the"};
  expect_words(error_of([&] { model.load().encode(texts); }),
               {"invalid_file: ", "embeddings.word_embeddings.weight", "rows", "text 0", "5000", "tokenizer"});
}

TEST(LoadErrors, UnsupportedArchitectureListsTheSupportedOnes) {
  const ModelCopy model("bert");
  model.set("config.json", "model_type", "mamba");
  const auto message = model.load_error();
  EXPECT_EQ(message.find("unsupported: "), 0U) << message;
  EXPECT_NE(message.find("mamba"), std::string::npos);
  EXPECT_NE(message.find("albert, bert, camembert, deberta-v2"), std::string::npos) << message;
}

TEST(LoadErrors, WhatItCannotServeIsRefused) {
  for (const auto& [key, value, word] :
       {std::tuple{"position_embedding_type", nlohmann::json("relative_key"), "relative_key"},
        {"is_decoder", nlohmann::json(true), "is_decoder"},
        {"hidden_act", nlohmann::json("xielu"), "xielu"}}) {
    const ModelCopy model("bert");
    model.set("config.json", key, value);
    const auto message = model.load_error();
    EXPECT_EQ(message.find("unsupported: "), 0U) << message;
    EXPECT_NE(message.find(word), std::string::npos) << message;
  }
}

TEST(LoadErrors, ShapesThatDisagreeNameBoth) {
  const ModelCopy model("bert");
  model.set("config.json", "intermediate_size", 65);
  const auto message = model.load_error();
  EXPECT_EQ(message.find("invalid_file: "), 0U) << message;
  EXPECT_NE(message.find("[32, 64]"), std::string::npos) << message;
  EXPECT_NE(message.find("[32, 65]"), std::string::npos) << message;
}

TEST(LoadErrors, SenselessSizesAreErrors) {
  for (const auto& [key, value] : {std::pair{"num_attention_heads", 0},
                                   {"num_attention_heads", 5},
                                   {"hidden_size", -1},
                                   {"num_hidden_layers", 0},
                                   {"num_hidden_layers", 3},
                                   {"vocab_size", 1 << 30}}) {
    const ModelCopy model("bert");
    model.set("config.json", key, value);
    EXPECT_EQ(model.load_error().find("invalid_file: "), 0U) << key << " = " << value << ": " << model.load_error();
  }
}

TEST(LoadErrors, MissingFilesAreNamed) {
  for (const char* file : {"config.json", "model.safetensors", "tokenizer.json", "1_Pooling/config.json"}) {
    const ModelCopy model("bert");
    model.erase(file);
    const auto message = model.load_error();
    EXPECT_EQ(message.find("not_found: "), 0U) << message;
    EXPECT_NE(message.find(fs::path(file).filename().string()), std::string::npos) << message;
  }
}

TEST(LoadErrors, WithoutModulesItIsAPlainTransformer) {
  const ModelCopy model("bert");
  model.erase("modules.json");
  const auto encoder = SentenceEncoder::load({.model = model.path().string()});
  EXPECT_EQ(encoder.info().pooling, std::vector{PoolingMode::mean});
  EXPECT_FALSE(encoder.info().normalizes);
}

TEST(LoadErrors, ANonFiniteWeightNeverLeaves) {
  const ModelCopy model("bert");
  const auto file = model.path() / "model.safetensors";
  std::vector<char> bytes(static_cast<std::size_t>(fs::file_size(file)));
  std::ifstream(file, std::ios::binary).read(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  std::uint64_t header_size = 0;
  std::memcpy(&header_size, bytes.data(), 8);
  const auto data = bytes.begin() + 8 + static_cast<std::ptrdiff_t>(header_size);
  const auto header = nlohmann::json::parse(bytes.begin() + 8, data);
  const auto range =
      header.at("embeddings.word_embeddings.weight").at("data_offsets").get<std::vector<std::ptrdiff_t>>();
  // All bits set is a NaN; the special tokens' rows, the first ones, stay as they are.
  std::fill(data + range.at(0) + 5 * 32 * 4, data + range.at(1), static_cast<char>(0xff));
  std::ofstream(file, std::ios::binary).write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  const auto message = error_of([&] {
    const auto encoder = SentenceEncoder::load({.model = model.path().string()});
    const std::vector<std::string_view> texts = {"", "a letter"};
    encoder.encode(texts);
  });
  EXPECT_EQ(message.find("invalid_file: "), 0U) << message;
  EXPECT_NE(message.find("model.safetensors: tensor embeddings.word_embeddings.weight: row "), std::string::npos)
      << message;
}

TEST(LoadErrors, IsFoundInTheHuggingFaceCache) {
  const fs::path home = fs::temp_directory_path() / ("treble-hf-" + std::to_string(::getpid()));
  const fs::path repository = home / "hub" / "models--org--tiny";
  fs::create_directories(repository / "refs");
  fs::create_directories(repository / "snapshots");
  fs::copy(model_path("bert"), repository / "snapshots" / "abc123", fs::copy_options::recursive);
  std::ofstream(repository / "refs" / "main") << "abc123";
  for (const char* name : {"HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE"}) ::unsetenv(name);
  ::setenv("HF_HOME", home.c_str(), 1);
  EXPECT_EQ(SentenceEncoder::load({.model = "org/tiny"}).info().name, "org/tiny");
  const auto message = error_of([] { SentenceEncoder::load({.model = "org/absent"}); });
  EXPECT_EQ(message.find("not_found: "), 0U) << message;
  EXPECT_NE(message.find("models--org--absent"), std::string::npos) << message;
  ::unsetenv("HF_HOME");
  fs::remove_all(home);
}

}  // namespace
}  // namespace treble::internal
