// Whole folders: what the chain reads, what it computes, what it refuses.
#include "pooling/module_chain.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cmath>
#include <fstream>
#include <random>
#include <span>

#include "kernels/test_support.h"
#include "safetensors/safetensors.h"
#include "treble/error.h"

namespace treble::internal {
namespace {

namespace fs = std::filesystem;

constexpr std::int64_t kHidden = 6;
const std::string kPoolingMean = R"({"embedding_dimension":6,"pooling_mode":"mean"})";

class Chain : public testing::Test {
 protected:
  Chain() {
    const auto* test = testing::UnitTest::GetInstance()->current_test_info();
    folder_ = fs::temp_directory_path() / ("treble-chain-" + std::to_string(::getpid()) + "-" + test->name());
    fs::create_directories(folder_);
    hidden_.resize(8 * kHidden);
    for (float& value : hidden_) value = normal_(random_);
    batch_.offsets = {0, 5, 8};
    batch_.prompt_tokens = {0, 0};
  }
  ~Chain() override { fs::remove_all(folder_); }

  void write(const std::string& name, const std::string& text) const {
    fs::create_directories((folder_ / name).parent_path());
    std::ofstream(folder_ / name) << text;
  }

  /// modules.json: Transformer, Pooling (mean), then these; module i lives in the folder "i".
  void write_modules(const std::vector<std::string>& kinds) const {
    std::string text = R"([{"type":"sentence_transformers.models.Transformer","path":""})";
    text += R"(,{"type":"sentence_transformers.models.Pooling","path":"1"})";
    for (std::size_t i = 0; i < kinds.size(); ++i) {
      text += R"(,{"type":"sentence_transformers.models.)" + kinds[i] + R"(","path":")" + std::to_string(i + 2) + "\"}";
    }
    write("modules.json", text + "]");
    write("1/config.json", kPoolingMean);
  }

  std::vector<float> write_tensor(const std::string& module,
                                  const std::vector<std::pair<std::string, std::vector<std::int64_t>>>& shapes) {
    std::vector<float> values(512);
    for (float& value : values) value = normal_(random_);
    std::vector<TensorToWrite> tensors;
    std::size_t used = 0;
    for (const auto& [name, shape] : shapes) {
      std::size_t count = 1;
      for (const std::int64_t dimension : shape) count *= static_cast<std::size_t>(dimension);
      tensors.push_back({name, DType::kF32, shape, std::as_bytes(std::span(values).subspan(used, count))});
      used += count;
    }
    fs::create_directories(folder_ / module);
    write_safetensors(folder_ / module / "model.safetensors", tensors);
    return values;
  }

  ModuleChain load() const { return ModuleChain::load(folder_, kHidden); }

  std::vector<float> run(const ModuleChain& chain, const ModuleChainOptions& options = {}) const {
    const auto full_width = static_cast<std::size_t>(chain.full_width());
    std::vector<float> full(2 * full_width, -7.0F);
    chain.run(test::TestExecution(), batch_, {hidden_.data(), 8, kHidden}, {full.data(), 2, chain.full_width()});
    const auto width = static_cast<std::size_t>(chain.output_dim(options));
    std::vector<float> out(2 * width, -7.0F);
    for (std::size_t text = 0; text < 2; ++text) {
      chain.finish(std::span(full).subspan(text * full_width, full_width), options,
                   std::span(out).subspan(text * width, width));
    }
    return out;
  }

  /// Mean of the text's tokens, in double.
  std::vector<double> mean(std::size_t text) const {
    std::vector<double> sum(kHidden);
    const std::int64_t begin = batch_.offsets[text];
    const std::int64_t end = batch_.offsets[text + 1];
    for (std::int64_t token = begin; token < end; ++token) {
      for (std::int64_t c = 0; c < kHidden; ++c) {
        sum[static_cast<std::size_t>(c)] += static_cast<double>(hidden_[static_cast<std::size_t>(token * kHidden + c)]);
      }
    }
    for (double& value : sum) value /= static_cast<double>(end - begin);
    return sum;
  }

  template <typename Map>
  void expect_rows(const std::vector<float>& out, Map map) const {
    for (std::size_t text = 0; text < 2; ++text) {
      const std::vector<double> expected = map(mean(text));
      ASSERT_EQ(out.size(), 2 * expected.size());
      for (std::size_t c = 0; c < expected.size(); ++c) {
        EXPECT_NEAR(static_cast<double>(out[text * expected.size() + c]), expected[c], 1e-6) << text << "," << c;
      }
    }
  }

  void expect_load_error(ErrorCode code, const std::vector<std::string>& parts) const {
    try {
      load();
      FAIL() << "no error; expected " << parts.front();
    } catch (const Error& error) {
      const std::string message = error.what();
      EXPECT_EQ(error.code(), code) << message;
      for (const auto& part : parts) EXPECT_NE(message.find(part), std::string::npos) << message << "\nlacks: " << part;
    }
  }

  std::mt19937 random_{5};
  std::normal_distribution<float> normal_;
  fs::path folder_;
  std::vector<float> hidden_;
  PackedBatch batch_;
};

std::vector<double> identity(std::vector<double> x) { return x; }

std::vector<double> normalized(std::vector<double> x) {
  double sum = 0;
  for (const double value : x) sum += value * value;
  for (double& value : x) value /= std::sqrt(sum);
  return x;
}

std::vector<double> first(std::vector<double> x, std::size_t count) {
  x.resize(count);
  return x;
}

/// activation(W x + b), weights [out, in] at `values`, the bias behind them.
template <typename Activate>
std::vector<double> dense(const std::vector<double>& x, const std::vector<float>& values, std::size_t out,
                          Activate activate) {
  std::vector<double> y(out);
  for (std::size_t row = 0; row < out; ++row) {
    y[row] = static_cast<double>(values[out * x.size() + row]);
    for (std::size_t c = 0; c < x.size(); ++c) y[row] += static_cast<double>(values[row * x.size() + c]) * x[c];
    y[row] = activate(y[row]);
  }
  return y;
}

TEST_F(Chain, PoolsAPlainFolderByTheMean) {
  const auto chain = load();
  EXPECT_EQ(to_string(chain.pooling_modes()), "mean");
  EXPECT_FALSE(chain.normalizes());
  EXPECT_EQ(chain.default_dimensions(), std::nullopt);
  EXPECT_EQ(chain.descriptions().size(), 2U);
  expect_rows(run(chain), identity);
  write("config.json", R"({"architectures":["BertForMaskedLM"]})");
  EXPECT_EQ(to_string(load().pooling_modes()), "mean");
}

TEST_F(Chain, PoolsAPlainFolderOfANextTokenModelByTheLastToken) {
  write("config.json", R"({"architectures":["Qwen3ForCausalLM"]})");
  EXPECT_EQ(to_string(load().pooling_modes()), "lasttoken");
  write("config.json", R"({"architectures":["Qwen3ForCausalLM"],"is_causal":false})");
  EXPECT_EQ(to_string(load().pooling_modes()), "mean");
}

TEST_F(Chain, NormalizesAsTheFolderOrTheCallSays) {
  write_modules({"Dropout", "Normalize"});
  const auto chain = load();
  EXPECT_TRUE(chain.normalizes());
  expect_rows(run(chain), normalized);
  expect_rows(run(chain, {.normalize = false}), identity);
  write_modules({});
  expect_rows(run(load()), identity);
  expect_rows(run(load(), {.normalize = true}), normalized);
}

TEST_F(Chain, CutsAndThenNormalizesAgain) {
  write_modules({"Normalize"});
  const auto chain = load();
  const auto cut = [](const std::vector<double>& x) { return first(x, 4); };
  expect_rows(run(chain, {.normalize = false, .dimensions = 4}), cut);
  expect_rows(run(chain, {.dimensions = 4}), [&](const std::vector<double>& x) { return normalized(cut(x)); });
  for (const std::int64_t dimensions : {-1, 0, 7}) {
    try {
      (void)chain.output_dim({.dimensions = dimensions});
      FAIL();
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::invalid_argument);
      EXPECT_NE(std::string(error.what()).find("is " + std::to_string(dimensions)), std::string::npos);
      EXPECT_NE(std::string(error.what()).find("have 6"), std::string::npos);
    }
  }
}

TEST_F(Chain, HonoursTruncateDim) {
  write_modules({});
  write("config_sentence_transformers.json", R"({"truncate_dim":2,"prompts":{}})");
  EXPECT_EQ(load().default_dimensions(), 2);
  expect_rows(run(load()), [](const std::vector<double>& x) { return first(x, 2); });
  expect_rows(run(load(), {.dimensions = 6}), identity);
  write("config_sentence_transformers.json", R"({"truncate_dim":99})");
  EXPECT_EQ(load().output_dim({}), 6);
  write("config_sentence_transformers.json", R"({"truncate_dim":null})");
  EXPECT_EQ(load().default_dimensions(), std::nullopt);
  write("config_sentence_transformers.json", R"({"truncate_dim":0})");
  expect_load_error(ErrorCode::invalid_file, {"truncate_dim", "is 0"});
}

TEST_F(Chain, AppliesDenseModulesInOrder) {
  write_modules({"Dense", "Dense", "Normalize"});
  write("2/config.json",
        R"({"in_features":6,"out_features":10,"activation_function":"torch.nn.modules.activation.Tanh"})");
  write("3/config.json",
        R"({"in_features":10,"out_features":3,"activation_function":"torch.nn.modules.linear.Identity"})");
  const auto one = write_tensor("2", {{"linear.weight", {10, 6}}, {"linear.bias", {10}}});
  const auto two = write_tensor("3", {{"linear.weight", {3, 10}}, {"linear.bias", {3}}});
  const auto chain = load();
  EXPECT_EQ(chain.output_dim({}), 3);
  const auto expected = [&](const std::vector<double>& x) {
    const auto middle = dense(x, one, 10, [](double value) { return std::tanh(value); });
    return dense(middle, two, 3, [](double value) { return value; });
  };
  expect_rows(run(chain), [&](const std::vector<double>& x) { return normalized(expected(x)); });
  expect_rows(run(chain, {.normalize = false}), expected);
  expect_rows(run(chain, {.normalize = false, .dimensions = 2}), [&](const auto& x) { return first(expected(x), 2); });
}

TEST_F(Chain, AddsResiduals) {
  const auto relu = [](double value) { return std::max(value, 0.0); };
  write_modules({"Dense"});
  write("2/config.json", R"({"in_features":6,"out_features":6,"use_residual":true,
                             "activation_function":"torch.nn.modules.activation.ReLU"})");
  const auto square = write_tensor("2", {{"linear.weight", {6, 6}}, {"linear.bias", {6}}});
  expect_rows(run(load()), [&](const std::vector<double>& x) {
    auto y = dense(x, square, 6, relu);
    for (std::size_t c = 0; c < 6; ++c) y[c] += x[c];
    return y;
  });
  write("2/config.json", R"({"in_features":6,"out_features":2,"use_residual":true,
                             "activation_function":"torch.nn.modules.activation.ReLU"})");
  const auto narrow = write_tensor("2", {{"linear.weight", {2, 6}}, {"linear.bias", {2}}, {"residual.weight", {2, 6}}});
  expect_rows(run(load()), [&](const std::vector<double>& x) {
    auto y = dense(x, narrow, 2, relu);
    for (std::size_t row = 0; row < 2; ++row) {
      for (std::size_t c = 0; c < 6; ++c) y[row] += static_cast<double>(narrow[14 + row * 6 + c]) * x[c];
    }
    return y;
  });
}

TEST_F(Chain, KeepsANormalizeInTheMiddle) {
  write_modules({"Normalize", "LayerNorm", "Normalize", "Normalize"});
  write("3/config.json", R"({"dimension":6})");
  const auto values = write_tensor("3", {{"norm.weight", {6}}, {"norm.bias", {6}}});
  const auto layer_norm_of_unit = [&](const std::vector<double>& x) {
    auto y = normalized(x);
    double average = 0;
    double variance = 0;
    for (const double value : y) average += value / 6;
    for (const double value : y) variance += (value - average) * (value - average) / 6;
    for (std::size_t c = 0; c < 6; ++c) {
      y[c] = (y[c] - average) / std::sqrt(variance + 1e-5) * static_cast<double>(values[c]) +
             static_cast<double>(values[6 + c]);
    }
    return y;
  };
  const auto chain = load();
  expect_rows(run(chain, {.normalize = false}), layer_norm_of_unit);
  expect_rows(run(chain), [&](const auto& x) { return normalized(layer_norm_of_unit(x)); });
}

TEST_F(Chain, TakesAnEmptyBatchAndRefusesWrongShapes) {
  write_modules({});
  const auto chain = load();
  chain.run(test::TestExecution(), PackedBatch{}, {nullptr, 0, kHidden}, {nullptr, 0, kHidden});
  std::vector<float> out(12);
  EXPECT_THROW(chain.run(test::TestExecution(), batch_, {hidden_.data(), 8, 5}, {out.data(), 2, 6}), Error);
  EXPECT_THROW(chain.run(test::TestExecution(), batch_, {hidden_.data(), 8, 6}, {out.data(), 2, 5}), Error);
  EXPECT_THROW(chain.run(test::TestExecution(), batch_, {hidden_.data(), 7, 6}, {out.data(), 2, 6}), Error);
  const auto row = std::span(out).first(6);
  EXPECT_THROW(chain.finish(row, {}, std::span(out).subspan(6, 5)), Error);
  EXPECT_THROW(chain.finish(row.first(5), {}, std::span(out).subspan(6, 6)), Error);
  EXPECT_THROW(chain.finish(row, {.dimensions = 4}, std::span(out).subspan(6, 6)), Error);
}

TEST_F(Chain, RefusesDenseFoldersThatDisagree) {
  const std::string config =
      R"({"in_features":6,"out_features":2,"bias":true,"activation_function":"torch.nn.modules.linear.Identity"})";
  write_modules({"Dense"});
  expect_load_error(ErrorCode::not_found, {"2/config.json"});
  write("2/config.json", config);
  expect_load_error(ErrorCode::not_found, {"/2", "model.safetensors"});
  write("2/pytorch_model.bin", "");
  expect_load_error(ErrorCode::not_found, {"/2", "pytorch_model.bin", "convert"});
  write_tensor("2", {{"linear.weight", {6, 2}}, {"linear.bias", {2}}});
  expect_load_error(ErrorCode::invalid_file, {"linear.weight", "[6, 2]", "[2, 6]"});
  write_tensor("2", {{"linear.weight", {2, 6}}});
  expect_load_error(ErrorCode::invalid_file, {"\"linear.bias\" is missing"});
  write_tensor("2", {{"linear.weight", {2, 6}}, {"linear.bias", {2}}, {"other", {1}}});
  expect_load_error(ErrorCode::invalid_file, {"\"other\" does not belong"});
  write("2/config.json", R"({"in_features":5,"out_features":2,"bias":false})");
  write_tensor("2", {{"linear.weight", {2, 5}}});
  expect_load_error(ErrorCode::invalid_file, {"2/config.json", "of 5 dimensions", "gives 6"});
}

TEST_F(Chain, RefusesFoldersWithoutTheirParts) {
  write_modules({});
  fs::remove(folder_ / "1/config.json");
  expect_load_error(ErrorCode::not_found, {"1/config.json"});
  write("modules.json", R"([{"type":"sentence_transformers.models.Transformer","path":"0_Transformer"},
                            {"type":"sentence_transformers.models.Pooling","path":"1"}])");
  expect_load_error(ErrorCode::not_found, {"modules.json", "0_Transformer"});
  write("modules.json", "[");
  expect_load_error(ErrorCode::invalid_file, {"modules.json", "JSON"});
}

TEST(GoldenChain, LoadsEveryOverlay) {
  const fs::path golden = fs::path(TREBLE_SOURCE_DIR) / "tests/golden/pooling";
  if (!fs::exists(golden)) GTEST_SKIP() << "no golden data";
  const auto expected = TensorArchive::open_file(golden / "expected.safetensors");
  for (const auto& [name, tensor] : expected.tensors()) {
    const auto chain = ModuleChain::load(golden / name, 32);
    const bool cut = name.starts_with("truncated");
    ModuleChainOptions options;
    if (cut) options.dimensions = tensor.shape.at(1);
    EXPECT_EQ(chain.output_dim(options), tensor.shape.at(1)) << name;
    EXPECT_EQ(chain.normalizes(),
              fs::file_size(golden / name / "modules.json") > 0 && chain.descriptions().back() == "Normalize");
  }
  EXPECT_EQ(to_string(ModuleChain::load(golden / "concatenation-old", 32).pooling_modes()), "cls+max+mean");
  EXPECT_EQ(to_string(ModuleChain::load(golden / "concatenation-new", 32).pooling_modes()), "cls+mean+max");
  EXPECT_EQ(to_string(ModuleChain::load(golden / "concatenation-all-old", 32).pooling_modes()),
            "cls+max+mean+mean_sqrt_len_tokens+weightedmean+lasttoken");
}

}  // namespace
}  // namespace treble::internal
