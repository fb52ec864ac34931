// PEFT adapters merged at load against peft itself (tests/golden/adapters), and every way in which adapter and model
// may not fit.
#include <gtest/gtest.h>

#include <algorithm>
#include <list>

#include "base/json_file.h"
#include "engine/golden_support.h"
#include "engine/model_copy.h"
#include "kernels/test_support.h"
#include "safetensors/safetensors.h"
#include "treble/bake.h"
#include "treble/model_files.h"
#include "treble/provenance.h"
#include "treble/sentence_encoder.h"

namespace treble::internal {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using test::error_of;
using test::expect_words;
using test::ModelCopy;
using test::read_golden;
using test::source_path;

constexpr double kTolerance = 1e-5;

std::vector<std::string> golden_adapters() {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(source_path("tests/golden/adapters"))) {
    names.push_back(entry.path().filename().string());
  }
  std::sort(names.begin(), names.end());
  return names;
}

fs::path adapter_folder(const std::string& name) { return source_path("tests/golden/adapters/" + name + "/adapter"); }

/// The largest difference to what peft computed for this adapter, over temperatures and texts.
double difference_to_peft(const SentenceEncoder& encoder, const std::string& name, double only_tau = 0) {
  const fs::path folder = source_path("tests/golden/adapters/" + name);
  const auto base = parse_json_file(folder / "base.json").at("base").get<std::string>();
  const auto texts = test::read_texts(source_path("tests/golden/" + base) / "cases.json");
  const auto archive = TensorArchive::open_file(folder / "expected.safetensors");
  double difference = 0;
  for (const double tau : {1.0, 0.7}) {
    if (only_tau != 0 && tau != only_tau) continue;
    EncodeOptions options;
    // A baked model has its temperature already.
    if (only_tau == 0) options.temperature = Temperature::constant(tau);
    const auto ours = encoder.encode(test::views(texts), options);
    const auto golden = read_golden(archive, fmt::format("tau={:g}/pooled", tau));
    difference =
        std::max(difference, test::max_abs_difference({ours.values.data(), ours.count, ours.dim}, golden.view()));
  }
  return difference;
}

std::string base_path(const std::string& adapter) {
  const auto base = parse_json_file(adapter_folder(adapter).parent_path() / "base.json").at("base").get<std::string>();
  return test::model_path(base);
}

class GoldenAdapter : public ::testing::TestWithParam<std::string> {
 protected:
  std::string adapter() const { return adapter_folder(GetParam()).string(); }
  std::string base() const { return base_path(GetParam()); }
};

TEST_P(GoldenAdapter, VectorsEqualPeftAtEveryTemperature) {
  const auto encoder = SentenceEncoder::load({.model = base(), .adapter = adapter(), .threads = 2});
  EXPECT_LE(difference_to_peft(encoder, GetParam()), kTolerance);
  EXPECT_EQ(encoder.info().adapter, fs::canonical(adapter()).string());
  EXPECT_EQ(encoder.info().task, "");
}

TEST_P(GoldenAdapter, TheBaseModelIsAnother) {
  const auto encoder = SentenceEncoder::load({.model = base(), .threads = 1});
  EXPECT_GT(difference_to_peft(encoder, GetParam()), 0.01);
}

TEST_P(GoldenAdapter, BakedModelsEqualPeftWithAndWithoutTemperature) {
  for (const double tau : {1.0, 0.7}) {
    const fs::path out = fs::temp_directory_path() / fmt::format("treble-adapter-{}-{}", ::getpid(), GetParam());
    fs::remove_all(out);
    const BakeReport report = bake(base(), out, Temperature::constant(tau), {.adapter = adapter()});
    EXPECT_EQ(report.adapter, adapter());
    EXPECT_FALSE(report.changed.empty());
    EXPECT_FALSE(fs::exists(out / "adapter_config.json"));
    const auto encoder = SentenceEncoder::load({.model = out.string(), .threads = 1});
    EXPECT_LE(difference_to_peft(encoder, GetParam(), tau), kTolerance) << tau;
    EXPECT_EQ(encoder.info().adapter, "");
    EXPECT_EQ(encoder.info().baked_temperature, tau == 1 ? "" : "0.7");
    EXPECT_EQ(parse_json_file(out / "treble.json").at("merged_adapters").size(), 1U);
    fs::remove_all(out);
  }
}

INSTANTIATE_TEST_SUITE_P(Adapters, GoldenAdapter, ::testing::ValuesIn(golden_adapters()), [](const auto& test) {
  std::string name = test.param;
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
});

/// A golden adapter's folder to damage.
class AdapterCopy {
 public:
  explicit AdapterCopy(std::string name)
      : name_(std::move(name)),
        folder_(fs::temp_directory_path() / ("treble-adapter-copy-" + std::to_string(::getpid()) + "-" + name_)) {
    fs::remove_all(folder_);
    fs::copy(adapter_folder(name_), folder_);
  }
  ~AdapterCopy() { fs::remove_all(folder_); }
  AdapterCopy(const AdapterCopy&) = delete;
  AdapterCopy& operator=(const AdapterCopy&) = delete;

  const fs::path& path() const { return folder_; }
  void set(const std::string& key, const json& value) const {
    auto config = parse_json_file(folder_ / "adapter_config.json");
    config[key] = value;
    std::ofstream(folder_ / "adapter_config.json") << config.dump();
  }
  /// The tensors with one renamed, or dropped where `to` is empty, or halved in its first dimension where it is "/2".
  void edit(const std::string& ending, const std::string& to) const {
    std::vector<TensorToWrite> tensors;
    const auto original = TensorArchive::open_file(adapter_folder(name_) / "adapter_model.safetensors");
    for (const auto& [name, tensor] : original.tensors()) {
      TensorToWrite one{name, tensor.dtype, tensor.shape, tensor.bytes};
      if (name.ends_with(ending)) {
        if (to.empty()) continue;
        if (to == "/2") {
          one.shape.front() /= 2;
          one.bytes = one.bytes.first(one.bytes.size() / 2);
        } else {
          one.name = name.substr(0, name.size() - ending.size()) + to;
        }
      }
      tensors.push_back(one);
    }
    write_safetensors(folder_ / "adapter_model.safetensors", tensors);
  }
  std::string load_error(const std::string& base = {}) const {
    return error_of([&] {
      SentenceEncoder::load(
          {.model = base.empty() ? base_path(name_) : base, .adapter = folder_.string(), .threads = 1});
    });
  }

 private:
  std::string name_;
  fs::path folder_;
};

TEST(Adapter, OtherMethodsAndSettingsAreNamed) {
  const std::vector<std::tuple<std::string, json, std::string>> cases = {
      {"peft_type", "IA3", "IA3"},
      {"peft_type", nullptr, "only LORA"},
      {"use_dora", true, "use_dora"},
      {"init_lora_weights", "pissa", "path_initial_model_for_weight_conversion"},
      {"init_lora_weights", "PiSSA_niter_4", "base weights"},
      {"init_lora_weights", "olora", "base weights"},
      {"trainable_token_indices", {1, 2}, "trainable_token_indices"},
      {"layer_replication", json::array({json::array({0, 1})}), "layer_replication"},
      {"target_parameters", {"weight"}, "target_parameters"},
      {"use_qalora", true, "use_qalora"},
      {"alora_invocation_tokens", {5}, "alora_invocation_tokens"},
      {"some_new_setting", 3, "some_new_setting"}};
  for (const auto& [key, value, word] : cases) {
    const AdapterCopy adapter("roberta-one-layer");
    adapter.set(key, value);
    expect_words(adapter.load_error(), {"unsupported: ", "adapter_config.json", key, word});
  }
  const AdapterCopy dora("roberta-one-layer");
  dora.edit("query.lora_B.bias", "query.lora_magnitude_vector");
  expect_words(dora.load_error(), {"unsupported: ", "lora_magnitude_vector", "DoRA"});
}

TEST(Adapter, SettingsThatOnlyTrainAreFine) {
  const AdapterCopy adapter("roberta-one-layer");
  adapter.set("lora_dropout", 0.3);
  adapter.set("init_lora_weights", "gaussian");
  adapter.set("eva_config", {{"rho", 2.0}});
  adapter.set("fan_in_fan_out", true);  // PEFT sets it right for a Linear
  adapter.set("some_new_setting", nullptr);
  EXPECT_EQ(adapter.load_error(), "no error");
}

TEST(Adapter, DamagedConfigsAreNamed) {
  const std::vector<std::pair<std::string, json>> cases = {{"r", 0},
                                                           {"r", "four"},
                                                           {"lora_alpha", "x"},
                                                           {"bias", "some"},
                                                           {"rank_pattern", {{"query", 0}}},
                                                           {"rank_pattern", {1}},
                                                           {"alpha_pattern", {{"query", "x"}}},
                                                           {"target_modules", {1, 2}},
                                                           {"layers_to_transform", {"a"}}};
  for (const auto& [key, value] : cases) {
    const AdapterCopy adapter("roberta-one-layer");
    adapter.set(key, value);
    expect_words(adapter.load_error(), {"invalid_file: ", "adapter_config.json", key});
  }
}

TEST(Adapter, FilesThatDoNotBelongTogetherAreNamed) {
  {
    const AdapterCopy adapter("roberta-one-layer");
    adapter.set("target_modules", {"key"});
    expect_words(adapter.load_error(), {"invalid_file: ", "self.query", "target_modules"});
  }
  {
    const AdapterCopy adapter("roberta-one-layer");
    adapter.set("target_modules", {"query", "intermediate.dense", "key"});
    expect_words(adapter.load_error(), {"invalid_file: ", "layer.1.attention.self.key", "no factors"});
  }
  {
    const AdapterCopy adapter("roberta-one-layer");
    adapter.set("r", 4);
    expect_words(adapter.load_error(), {"invalid_file: ", "rank 2", "says 4"});
  }
  {
    const AdapterCopy adapter("roberta-one-layer");
    adapter.edit("query.lora_A.weight", "");
    expect_words(adapter.load_error(), {"invalid_file: ", "self.query", "only one of the two factors"});
  }
  {
    const AdapterCopy adapter("roberta-one-layer");
    adapter.edit("query.lora_B.weight", "/2");
    expect_words(adapter.load_error(), {"invalid_file: ", "query.lora_B.weight", "[16, 2]", "[32, 32]", "32 rows"});
  }
  {
    const AdapterCopy adapter("bert-all-biases");
    adapter.set("bias", "none");
    expect_words(adapter.load_error(), {"invalid_file: ", ".bias", "neither a factor nor explained"});
  }
  {
    const AdapterCopy adapter("bert-all-biases");
    adapter.edit("embeddings.LayerNorm.bias", "embeddings.other.bias");
    expect_words(adapter.load_error(), {"invalid_file: ", "embeddings.other.bias", "the weights lack"});
  }
}

TEST(Adapter, AnotherModelIsNamed) {
  const AdapterCopy adapter("bert-all-biases");
  expect_words(adapter.load_error(test::model_path("qwen3")), {"invalid_file: ", "bert", "qwen3", "auto_mapping"});
  adapter.set("auto_mapping", nullptr);
  expect_words(adapter.load_error(test::model_path("qwen3")),
               {"invalid_file: ", "encoder.layer.0", "made for another model"});
}

TEST(Adapter, MissingFilesAreNamed) {
  const AdapterCopy adapter("roberta-one-layer");
  fs::remove(adapter.path() / "adapter_model.safetensors");
  expect_words(adapter.load_error(), {"not_found: ", "adapter_model.safetensors", "fetch the adapter again"});
  std::ofstream(adapter.path() / "adapter_model.bin") << "x";
  expect_words(adapter.load_error(), {"not_found: ", "adapter_model.bin", "pickle"});
  fs::remove(adapter.path() / "adapter_config.json");
  expect_words(adapter.load_error(), {"not_found: ", "adapter_config.json"});
  expect_words(
      error_of([] { SentenceEncoder::load({.model = test::model_path("bert"), .adapter = "/nowhere/at/all"}); }),
      {"not_found: ", "/nowhere/at/all"});
}

TEST(Adapter, AValueThatIsNotFiniteIsNamed) {
  const AdapterCopy adapter("roberta-one-layer");
  const auto original = TensorArchive::open_file(adapter_folder("roberta-one-layer") / "adapter_model.safetensors");
  const std::vector<float> large(64, 1e35F);
  std::vector<TensorToWrite> tensors;
  for (const auto& [name, tensor] : original.tensors()) {
    const auto bytes = name.ends_with("query.lora_B.weight") ? std::as_bytes(std::span(large)) : tensor.bytes;
    tensors.push_back({name, tensor.dtype, tensor.shape, bytes});
  }
  write_safetensors(adapter.path() / "adapter_model.safetensors", tensors);
  adapter.set("lora_alpha", 1e9);
  expect_words(adapter.load_error(), {"invalid_file: ", "query.weight", "once its adapter is added"});
  adapter.set("lora_alpha", 1e10);
  expect_words(adapter.load_error(), {"invalid_file: ", "lora_alpha", "10000000000"});
}

/// Copies a golden adapter's two files into a model's folder.
void put_adapter(const std::string& name, const fs::path& folder) {
  fs::create_directories(folder);
  for (const auto& entry : fs::directory_iterator(adapter_folder(name))) {
    fs::copy_file(entry.path(), folder / entry.path().filename(), fs::copy_options::overwrite_existing);
  }
}

TEST(Adapter, OneInTheModelsFolderIsMergedAndAnotherRefused) {
  const ModelCopy model("bert");
  put_adapter("bert-all-biases", model.path());
  const auto encoder = model.load();
  EXPECT_LE(difference_to_peft(encoder, "bert-all-biases"), kTolerance);
  EXPECT_TRUE(encoder.info().warnings.empty());
  expect_words(
      error_of([&] {
        SentenceEncoder::load({.model = model.path().string(), .adapter = adapter_folder("bert-all-biases").string()});
      }),
      {"invalid_argument: ", "second one"});
  model.erase("adapter_config.json");
  expect_words(model.load_error(), {"invalid_file: ", "adapter_model.safetensors", "without adapter_config.json"});
}

TEST(Adapter, WithoutWeightsTheBaseModelIsLookedFor) {
  const ModelCopy model("bert");
  put_adapter("bert-all-biases", model.path());
  model.erase("model.safetensors");
  model.erase("config.json");
  expect_words(model.load_error(), {"not_found: ", "tiny/bert", "not on this machine", "ModelOptions::adapter"});
  model.set("adapter_config.json", "base_model_name_or_path", test::model_path("bert"));
  EXPECT_LE(difference_to_peft(model.load(), "bert-all-biases"), kTolerance);
  // Nothing but the adapter: everything else is the base model's.
  for (const char* file : {"modules.json", "tokenizer.json", "tokenizer_config.json", "sentence_bert_config.json"}) {
    model.erase(file);
  }
  const auto encoder = model.load();
  EXPECT_LE(difference_to_peft(encoder, "bert-all-biases"), kTolerance);
  EXPECT_EQ(encoder.info().max_length, 64);
}

TEST(Adapter, ANameOfAnotherBaseIsAWarning) {
  const auto encoder = SentenceEncoder::load(
      {.model = test::model_path("bert"), .adapter = adapter_folder("bert-all-biases").string(), .threads = 1});
  ASSERT_EQ(encoder.info().warnings.size(), 1U);
  expect_words(encoder.info().warnings.front(), {"tiny/bert", "put onto"});
}

TEST(Adapter, FingerprintAndProvenanceTellItApart) {
  const AdapterCopy adapter("bert-all-biases");
  const auto load = [&](const std::string& folder) {
    return SentenceEncoder::load({.model = test::model_path("bert"), .adapter = folder, .threads = 1});
  };
  const auto plain = load("");
  const auto adapted = load(adapter.path().string());
  EXPECT_NE(plain.weights_sha256(), adapted.weights_sha256());
  EXPECT_NE(plain.fingerprint().sha256, adapted.fingerprint().sha256);
  EXPECT_EQ(adapted.fingerprint().sha256, load(adapter_folder("bert-all-biases").string()).fingerprint().sha256);
  adapter.set("lora_alpha", 7);
  EXPECT_NE(load(adapter.path().string()).weights_sha256(), adapted.weights_sha256());
  const auto provenance = json::parse(provenance_json(adapted, {}));
  EXPECT_EQ(provenance.at("model").at("adapter"), fs::canonical(adapter.path()).string());
  EXPECT_FALSE(json::parse(provenance_json(plain, {})).at("model").contains("adapter"));
}

TEST(Adapter, BakingOneInTheFolderNeedsNoTemperature) {
  const ModelCopy model("bert");
  const fs::path out = model.path().string() + "-baked";
  fs::remove_all(out);
  expect_words(error_of([&] { bake(model.path().string(), out, {}); }), {"invalid_argument: ", "nothing to bake"});
  put_adapter("bert-all-biases", model.path());
  bake(model.path().string(), out, {});
  EXPECT_LE(difference_to_peft(SentenceEncoder::load({.model = out.string(), .threads = 1}), "bert-all-biases", 1.0),
            kTolerance);
  fs::remove_all(out);
}

TEST(Adapter, MergedIntoSixteenBitsIsRoundedAndSaysSo) {
  const fs::path out = fs::temp_directory_path() / fmt::format("treble-adapter-16-{}", ::getpid());
  fs::remove_all(out);
  const std::string adapter = adapter_folder("bert-all-biases").string();
  const BakeReport rounded = bake(test::model_path("bert-bf16"), out, {}, {.adapter = adapter});
  EXPECT_FALSE(rounded.exact);
  EXPECT_GT(rounded.max_rounding_error, 1e-4);
  const auto merged = SentenceEncoder::load({.model = test::model_path("bert-bf16"), .adapter = adapter, .threads = 1});
  const auto exact =
      bake(test::model_path("bert-bf16"), out, {}, {.dtype = BakedDType::float32, .adapter = adapter, .force = true});
  EXPECT_TRUE(exact.exact);
  const auto baked = SentenceEncoder::load({.model = out.string(), .threads = 1});
  const std::vector<std::string_view> texts = {"a text of some words", "b"};
  EXPECT_EQ(merged.encode(texts).values, baked.encode(texts).values);
  fs::remove_all(out);
}

/// A model with adapters/TASK, as jina-embeddings-v5 has them.
class TaskFolders : public ::testing::Test {
 protected:
  TaskFolders() {
    put_adapter("bert-all-biases", model_.path() / "adapters/retrieval");
    put_adapter("bert-all-biases", model_.path() / "adapters/text-matching");
    auto config = parse_json_file(model_.path() / "adapters/text-matching/adapter_config.json");
    config["lora_alpha"] = 1;
    model_.write("adapters/text-matching/adapter_config.json", config.dump());
  }
  SentenceEncoder load(const std::string& task) const {
    return SentenceEncoder::load({.model = model_.path().string(), .task = task, .threads = 1});
  }
  ModelCopy model_{"bert"};
};

TEST_F(TaskFolders, OneIsMergedByNameAndNoneIsChosenSilently) {
  EXPECT_EQ(model_tasks(model_.path().string()), (std::vector<std::string>{"retrieval", "text-matching"}));
  const auto retrieval = load("retrieval");
  EXPECT_LE(difference_to_peft(retrieval, "bert-all-biases"), kTolerance);
  EXPECT_EQ(retrieval.info().task, "retrieval");
  EXPECT_GT(difference_to_peft(load("text-matching"), "bert-all-biases"), 1e-3);
  expect_words(model_.load_error(), {"invalid_argument: ", "retrieval, text-matching", "none was chosen"});
  expect_words(error_of([&] { load("separation"); }), {"invalid_argument: ", "retrieval, text-matching", "separation"});
  const auto base = load("none");
  EXPECT_EQ(base.info().task, "none");
  EXPECT_EQ(base.info().adapter, "");
  const auto plain = SentenceEncoder::load({.model = test::model_path("bert"), .threads = 1});
  const std::vector<std::string_view> texts = {"a text of some words"};
  EXPECT_EQ(base.encode(texts).values, plain.encode(texts).values);
  expect_words(error_of([] { SentenceEncoder::load({.model = test::model_path("bert"), .task = "retrieval"}); }),
               {"invalid_argument: ", "retrieval", "no adapters for tasks"});
}

TEST_F(TaskFolders, APromptOfAnotherTaskIsRefused) {
  model_.write("config_sentence_transformers.json",
               R"({"prompts": {"retrieval": "Query: ", "text-matching": "", "document": "Document: "}})");
  const auto encoder = load("retrieval");
  const std::vector<std::string_view> texts = {"a"};
  EXPECT_NO_THROW(encoder.encode(texts, {.prompt_name = "retrieval"}));
  EXPECT_NO_THROW(encoder.encode(texts, {.prompt_name = "document"}));
  expect_words(error_of([&] { encoder.encode(texts, {.prompt_name = "text-matching"}); }),
               {"invalid_argument: ", "text-matching", "retrieval"});
}

TEST_F(TaskFolders, BakingLeavesTheOthersBehind) {
  const fs::path out = model_.path().string() + "-baked";
  fs::remove_all(out);
  bake(model_.path().string(), out, {}, {.task = "retrieval"});
  EXPECT_FALSE(fs::exists(out / "adapters"));
  EXPECT_LE(difference_to_peft(SentenceEncoder::load({.model = out.string(), .threads = 1}), "bert-all-biases", 1.0),
            kTolerance);
  fs::remove_all(out);
}

/// A model whose weights hold the factors of tasks beside them, as jina-embeddings-v3 stores PyTorch's
/// parametrizations: X.parametrizations.weight.original, …0.lora_A [tasks, rank, in] and lora_B [tasks, out, rank]; of
/// an embedding lora_A [tasks, rows, rank] and lora_B [tasks, rank, width].
class TasksInWeights : public ::testing::Test {
 protected:
  static constexpr std::int64_t kTasks = 2;
  static constexpr std::int64_t kRank = 3;
  static constexpr float kAlpha = 6;

  TasksInWeights() {
    model_.set("config.json", "lora_adaptations", {"retrieval.query", "separation"});
    model_.set("config.json", "lora_rank", kRank);
    model_.set("config.json", "lora_alpha", kAlpha);
    write();
  }

  /// The weights in Jina's form, and `merged_`: plain weights with the second task's products added here, in double.
  void write() {
    const auto archive = TensorArchive::open_folder(test::model_path("bert"));
    std::vector<TensorToWrite> tensors;
    std::vector<TensorToWrite> merged;
    for (const auto& [name, tensor] : archive.tensors()) {
      const bool adapted = name.ends_with("query.weight") || name == "embeddings.word_embeddings.weight";
      if (!adapted) {
        tensors.push_back({name, tensor.dtype, tensor.shape, tensor.bytes});
        merged.push_back(tensors.back());
        continue;
      }
      const std::string stem = name.substr(0, name.size() - 7) + ".parametrizations.weight.";
      const bool embedding = name.starts_with("embeddings");
      const std::int64_t rows = tensor.shape[0];
      const std::int64_t cols = tensor.shape[1];
      const auto& a = embedding ? factor(rows, kRank) : factor(kRank, cols);
      const auto& b = embedding ? factor(kRank, cols) : factor(rows, kRank);
      tensors.push_back({stem + "original", tensor.dtype, tensor.shape, tensor.bytes});
      tensors.push_back({stem + "0.lora_A", DType::kF32, {kTasks, a.rows, a.cols}, std::as_bytes(std::span(a.values))});
      tensors.push_back({stem + "0.lora_B", DType::kF32, {kTasks, b.rows, b.cols}, std::as_bytes(std::span(b.values))});
      const auto& sum = add(tensor, embedding ? a : b, embedding ? b : a);
      merged.push_back({name, DType::kF32, tensor.shape, std::as_bytes(std::span(sum))});
    }
    write_safetensors(model_.path() / "model.safetensors", tensors);
    merged_.set("config.json", "hidden_act", "gelu");
    write_safetensors(merged_.path() / "model.safetensors", merged);
  }

  struct Values {
    std::int64_t rows;
    std::int64_t cols;
    std::vector<float> values;  ///< [tasks, rows, cols]
  };
  const Values& factor(std::int64_t rows, std::int64_t cols) {
    Values& made = made_.emplace_back(Values{rows, cols, {}});
    for (std::int64_t i = 0; i < kTasks * rows * cols; ++i) {
      state_ = state_ * 1664525U + 1013904223U;
      made.values.push_back((static_cast<float>(state_ >> 8) / 16777216.0F - 0.5F) * 0.5F);
    }
    return made;
  }
  const std::vector<float>& add(const StoredTensor& tensor, const Values& left, const Values& right) {
    std::vector<float>& sum = sums_.emplace_back(static_cast<std::size_t>(tensor.num_elements()));
    copy_as_float(tensor, "x", sum);
    const std::int64_t task = kTasks - 1;
    for (std::int64_t row = 0; row < left.rows; ++row) {
      for (std::int64_t col = 0; col < right.cols; ++col) {
        double product = 0;
        for (std::int64_t k = 0; k < kRank; ++k) {
          product += double{left.values[static_cast<std::size_t>((task * left.rows + row) * kRank + k)]} *
                     double{right.values[static_cast<std::size_t>((task * kRank + k) * right.cols + col)]};
        }
        sum[static_cast<std::size_t>(row * right.cols + col)] += static_cast<float>(product * kAlpha / kRank);
      }
    }
    return sum;
  }

  SentenceEncoder load(const std::string& task) const {
    return SentenceEncoder::load({.model = model_.path().string(), .task = task, .threads = 1});
  }

  ModelCopy model_{"bert"};
  ModelCopy merged_{"bert-f16"};
  std::list<Values> made_;
  std::list<std::vector<float>> sums_;
  std::uint32_t state_ = 7;
};

TEST_F(TasksInWeights, OneIsMergedByName) {
  fs::copy_file(fs::path(test::model_path("bert")) / "config.json", merged_.path() / "config.json",
                fs::copy_options::overwrite_existing);
  fs::copy_file(fs::path(test::model_path("bert")) / "tokenizer.json", merged_.path() / "tokenizer.json",
                fs::copy_options::overwrite_existing);
  EXPECT_EQ(model_tasks(model_.path().string()), (std::vector<std::string>{"retrieval.query", "separation"}));
  const std::vector<std::string_view> texts = {"The ferry leaves the harbour at nine.", "a"};
  const auto distance = [&](const SentenceEncoder& one, const SentenceEncoder& other) {
    const auto a = one.encode(texts);
    const auto b = other.encode(texts);
    return test::max_abs_difference({a.values.data(), a.count, a.dim}, {b.values.data(), b.count, b.dim});
  };
  const auto separation = load("separation");
  EXPECT_LE(distance(separation, merged_.load()), 1e-6);
  EXPECT_EQ(separation.info().adapter, "in the weights");
  const auto base = load("none");
  EXPECT_EQ(distance(base, SentenceEncoder::load({.model = test::model_path("bert"), .threads = 1})), 0);
  EXPECT_EQ(base.info().num_parameters, separation.info().num_parameters);
  EXPECT_GT(distance(separation, load("retrieval.query")), 1e-2);
  EXPECT_NE(separation.weights_sha256(), load("retrieval.query").weights_sha256());
  expect_words(model_.load_error(), {"invalid_argument: ", "retrieval.query, separation", "none was chosen"});
}

TEST_F(TasksInWeights, WhatDoesNotFitIsNamed) {
  model_.set("config.json", "lora_adaptations", {"a", "b", "c"});
  expect_words(error_of([&] { load("b"); }), {"invalid_file: ", "lora_A", "3 tasks"});
  model_.set("config.json", "lora_adaptations", {"a", "b"});
  model_.set("config.json", "lora_rank", 0);
  expect_words(error_of([&] { load("b"); }), {"invalid_file: ", "lora_rank", "0"});
  const ModelCopy plain("roberta");
  plain.set("config.json", "lora_adaptations", {"a"});
  expect_words(error_of([&] { SentenceEncoder::load({.model = plain.path().string(), .task = "a"}); }),
               {"invalid_file: ", "no factors"});
}

TEST_F(TasksInWeights, BakingIsRefused) {
  expect_words(
      error_of([&] { bake(model_.path().string(), model_.path().string() + "-b", {}, {.task = "separation"}); }),
      {"unsupported: ", "separation", "baking"});
}

}  // namespace
}  // namespace treble::internal
