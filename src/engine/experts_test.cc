// Models with a mixture of experts beyond their golden vectors: types, companions, what they say of themselves, and
// folders that are wrong.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <string>
#include <vector>

#include "base/test_folder.h"
#include "engine/golden_support.h"
#include "engine/model_copy.h"
#include "kernels/test_support.h"
#include "safetensors/safetensors.h"
#include "treble/bake.h"
#include "treble/sentence_encoder.h"

namespace treble::internal {
namespace {

using test::error_of;
using test::expect_words;
using test::ModelCopy;
using Json = nlohmann::json;

constexpr const char* kModel = "nomic-bert-moe";
constexpr const char* kExperts = "encoder.layers.1.mlp.";

std::vector<std::string> expert_texts() {
  return test::read_texts(test::source_path("tests/golden/nomic-bert-moe/cases.json"));
}

SentenceEncoder load_experts(ComputeType type, int threads = 2) {
  return SentenceEncoder::load({.model = test::model_path(kModel), .threads = threads, .dtype = type});
}

float apart_at_most(const std::vector<float>& a, const std::vector<float>& b) {
  float largest = a.size() == b.size() ? 0.0F : std::numeric_limits<float>::infinity();
  for (std::size_t i = 0; i < std::min(a.size(), b.size()); ++i) largest = std::max(largest, std::abs(a[i] - b[i]));
  return largest;
}

TEST(Experts, AreSaidInWhatAModelIs) {
  const ModelInfo info = load_experts(ComputeType::float32).info();
  EXPECT_EQ(info.num_experts, 5);
  EXPECT_EQ(info.active_experts, 2);
  // Two of four layers have five experts of two matrices each.
  EXPECT_EQ(info.active_parameters, info.num_parameters - std::int64_t{2} * 3 * 2 * 48 * 32);
  const auto found =
      std::find_if(info.switches.begin(), info.switches.end(), [](const auto& one) { return one.first == "experts"; });
  ASSERT_NE(found, info.switches.end());
  EXPECT_EQ(found->second, "2 of 5 for each token, each 48 wide, in 2 of 4 layers");
  EXPECT_EQ(info.tempered_layers, 4);
  const ModelInfo plain = SentenceEncoder::load({.model = test::model_path("nomic-bert"), .threads = 1}).info();
  EXPECT_EQ(plain.num_experts, 0);
  EXPECT_EQ(plain.active_experts, 0);
  EXPECT_EQ(plain.active_parameters, plain.num_parameters);
}

/// int8 bit for bit, as of all families; float32 to rounding.
TEST(Experts, ATextsVectorDoesNotDependOnItsCompanions) {
  const auto texts = expert_texts();
  for (const auto& [type, tolerance] : {std::pair{ComputeType::int8, 0.0F}, {ComputeType::float32, 1e-6F}}) {
    const SentenceEncoder encoder = load_experts(type);
    const Embeddings together = encoder.encode(test::views(texts));
    const SentenceEncoder other = load_experts(type, 3);
    std::vector<std::string> reversed(texts.rbegin(), texts.rend());
    const Embeddings backwards = other.encode(test::views(reversed));
    const auto row = [](const Embeddings& all, std::size_t text) {
      const auto first = all.values.begin() + static_cast<std::ptrdiff_t>(text) * all.dim;
      return std::vector<float>(first, first + all.dim);
    };
    for (std::size_t i = 0; i < texts.size(); ++i) {
      const std::string_view one = texts[i];
      EXPECT_LE(apart_at_most(encoder.encode({&one, 1}).values, row(together, i)), tolerance) << one;
      EXPECT_LE(apart_at_most(row(backwards, texts.size() - 1 - i), row(together, i)), tolerance) << one;
    }
  }
}

/// A choice between experts that two types make differently moves a token of a tiny model far, so this looks at the
/// mean.
TEST(Experts, EveryTypeIsCloseToFloat32) {
  const auto texts = expert_texts();
  const auto exact = load_experts(ComputeType::float32).encode(test::views(texts));
  for (const auto& [type, least] : {std::pair{ComputeType::bfloat16, 0.999}, {ComputeType::int8, 0.99}}) {
    const auto encoder = load_experts(type);
    EXPECT_EQ(encoder.info().compute_dtype, type);
    const auto rounded = encoder.encode(test::views(texts));
    double cosine = 0;
    for (std::size_t i = 0; i < exact.values.size(); ++i) {
      cosine += double{exact.values[i]} * double{rounded.values[i]} / static_cast<double>(exact.count);
    }
    EXPECT_GT(cosine, least) << to_string(type);
    EXPECT_NE(exact.values, rounded.values);
  }
}

TEST(Experts, ConfigsThatCannotBeFollowedAreNamed) {
  const std::vector<std::tuple<std::string, Json, std::vector<std::string>>> cases = {
      {"moe_top_k", 6, {"invalid_file", "\"moe_top_k\" is 6", "1 to all 5"}},
      {"moe_top_k", 0, {"invalid_file", "\"moe_top_k\" is 0"}},
      {"moe_top_k", nullptr, {"invalid_file", "\"moe_top_k\""}},
      {"num_experts", 0, {"invalid_file", "\"num_experts\" is 0", "\"moe_every_n_layers\" is 2"}},
      {"num_experts", -1, {"invalid_file", "\"num_experts\" is -1"}},
      {"num_experts", 5000, {"invalid_file", "number of experts is 5000", "4096"}},
      {"num_experts", "eight", {"invalid_file", "num_experts"}},
      {"moe_every_n_layers", nullptr, {"invalid_file", R"("moe_every_n_layers" is not there)"}},
      {"ffn_div", 0, {"invalid_file", R"("ffn_div" is 0)"}},
      {"ffn_div", 100, {"invalid_file", "width of an expert is 0"}},
      {"num_shared_experts", 1, {"unsupported", R"("num_shared_experts" is 1)"}},
      {"expert_choice_router", true, {"unsupported", R"("expert_choice_router" is true)"}},
      {"moe_impl", "torch", {"unsupported", R"("moe_impl" is "torch")", "megablocks"}},
      {"moe_normalize_expert_weights", 2, {"unsupported", R"("moe_normalize_expert_weights" is 2)"}},
      {"activation_function", "swiglu", {"unsupported", R"("num_experts" is 5)", "gate"}},
      {"activation_function", "glu", {"unsupported", R"("activation_function" is "glu")", "gelu"}},
      {"prenorm", true, {"unsupported", "prenorm"}},
  };
  for (const auto& [key, value, words] : cases) {
    const ModelCopy copy(kModel);
    copy.set("config.json", key, value);
    expect_words(copy.load_error(), words);
  }
}

/// The weights say otherwise than config.json: both shapes, or what is missing, or what nobody reads.
TEST(Experts, ConfigsOfAnotherModelAreNamed) {
  const std::vector<std::tuple<std::string, Json, std::vector<std::string>>> cases = {
      {"num_experts", 4, {"invalid_file", "mlp.experts.mlp.w1 is [240, 32]", "asks for [192, 32]"}},
      {"ffn_div", 2, {"invalid_file", "mlp.experts.mlp.w1 is [240, 32]", "asks for [120, 32]"}},
      {"moe_every_n_layers", 3, {"invalid_file", "lack the tensor encoder.layers.3.mlp.fc2.weight"}},
      {"moe_every_n_layers", 1, {"invalid_file", "lack the tensor encoder.layers.1.mlp.fc2.weight"}},
      {"moe_every_n_layers", 0, {"invalid_file", "lack the tensor encoder.layers.1.mlp.fc2.weight"}},
  };
  for (const auto& [key, value, words] : cases) {
    const ModelCopy copy(kModel);
    copy.set("config.json", key, value);
    expect_words(copy.load_error(), words);
  }
  const ModelCopy gated(kModel);
  gated.set("config.json", "activation_function", "swiglu");
  gated.set("config.json", "num_experts", 0);
  gated.set("config.json", "moe_every_n_layers", 0);
  expect_words(gated.load_error(), {"invalid_file", "encoder.layers.0.mlp.fc1.weight", "has no gate"});
}

using Tensors = std::vector<std::pair<std::string, std::vector<float>>>;

/// The copy's weights with one tensor changed by `change(shape, values)`; false leaves it out.
template <typename Change>
void rewrite_tensor(const ModelCopy& copy, const std::string& name, const Change& change) {
  const auto path = copy.path() / "model.safetensors";
  Tensors values;
  std::vector<TensorToWrite> tensors;
  {
    const auto archive = TensorArchive::open_file(path);
    values.reserve(archive.tensors().size());
    for (const auto& [other, tensor] : archive.tensors()) {
      std::vector<float> numbers(static_cast<std::size_t>(tensor.num_elements()));
      copy_as_float(tensor, other, numbers);
      auto shape = tensor.shape;
      if (other == name && !change(shape, numbers)) continue;
      values.emplace_back(other, std::move(numbers));
      tensors.push_back({other, DType::kF32, shape, std::as_bytes(std::span(values.back().second))});
    }
  }
  write_safetensors(path, tensors);
}

TEST(Experts, TensorsOfOtherShapesAreNamed) {
  for (const char* part : {"router.layer.weight", "experts.mlp.w1", "experts.mlp.w2", "experts.bias"}) {
    const std::string name = std::string(kExperts) + part;
    const ModelCopy copy(kModel);
    rewrite_tensor(copy, name, [](std::vector<std::int64_t>& shape, std::vector<float>& numbers) {
      numbers.resize(numbers.size() / static_cast<std::size_t>(shape.front()));
      shape.front() = 1;
      return true;
    });
    expect_words(copy.load_error(), {"invalid_file", "tensor " + name + " is [1", "config.json asks for ["});
    const ModelCopy without(kModel);
    rewrite_tensor(without, name, [](auto&, auto&) { return false; });
    expect_words(without.load_error(), {"invalid_file", "lack the tensor " + name});
  }
}

/// Transposed, w2 has as many numbers, and only its shape tells.
TEST(Experts, ATransposedMatrixIsNamed) {
  const std::string name = std::string(kExperts) + "experts.mlp.w2";
  const ModelCopy copy(kModel);
  rewrite_tensor(copy, name, [](std::vector<std::int64_t>& shape, std::vector<float>&) {
    std::swap(shape.at(0), shape.at(1));
    return true;
  });
  expect_words(copy.load_error(), {"invalid_file", name + " is [32, 240]", "asks for [240, 32]"});
}

/// Weights that are no numbers are refused as those of any layer; finite ones may still be beyond what float32 can add.
TEST(Experts, ARouterBeyondNumbersIsAnErrorAndNeverAVector) {
  const std::string name = std::string(kExperts) + "router.layer.weight";
  const ModelCopy damaged(kModel);
  rewrite_tensor(damaged, name, [](auto&, std::vector<float>& numbers) {
    numbers[40] = std::numeric_limits<float>::quiet_NaN();
    return true;
  });
  expect_words(damaged.load_error(), {"invalid_file", name, "nan"});
  const ModelCopy copy(kModel);
  rewrite_tensor(copy, name, [](auto&, std::vector<float>& numbers) {
    std::fill(numbers.begin() + 32, numbers.begin() + 64, std::numeric_limits<float>::max());
    return true;
  });
  for (const auto type : {ComputeType::float32, ComputeType::int8}) {
    const auto encoder = SentenceEncoder::load({.model = copy.path().string(), .threads = 1, .dtype = type});
    const std::string_view text = "a text";
    expect_words(error_of([&] { encoder.encode({&text, 1}); }), {"non_finite", "text 0"});
  }
}

TEST(Experts, AnAdapterOfTheExpertsIsNamedAndOneOfTheRouterIsMerged) {
  const test::TestFolder folder;
  const auto write = [&](const std::string& module, std::int64_t out) {
    const Json config = {{"peft_type", "LORA"},
                         {"r", 2},
                         {"lora_alpha", 4},
                         {"bias", "none"},
                         {"target_modules", Json::array({module.substr(module.rfind('.') + 1)})}};
    std::ofstream(folder.path() / "adapter_config.json") << config.dump();
    const std::vector<float> a(64, 0.05F);
    std::vector<float> b(static_cast<std::size_t>(2 * out));
    // Not the same for every output, as a softmax does not see what is added to all logits.
    for (std::size_t i = 0; i < b.size(); ++i) b[i] = 0.1F * static_cast<float>(i);
    std::vector<TensorToWrite> tensors;
    for (int layer = 1; layer < 4; layer += 2) {
      const std::string stem = "base_model.model.encoder.layers." + std::to_string(layer) + "." + module;
      tensors.push_back({stem + ".lora_A.weight", DType::kF32, {2, 32}, std::as_bytes(std::span(a))});
      tensors.push_back({stem + ".lora_B.weight", DType::kF32, {out, 2}, std::as_bytes(std::span(b))});
    }
    write_safetensors(folder.path() / "adapter_model.safetensors", tensors);
  };
  const auto load = [&] {
    return SentenceEncoder::load({.model = test::model_path(kModel), .adapter = folder.path().string(), .threads = 1});
  };
  write("mlp.experts.mlp", 240);
  expect_words(error_of([&] { load(); }), {"invalid_file", "mlp.experts.mlp"});
  write("mlp.router.layer", 5);
  const std::string_view text = "a text";
  const auto base = SentenceEncoder::load({.model = test::model_path(kModel), .threads = 1}).encode({&text, 1});
  EXPECT_GT(apart_at_most(load().encode({&text, 1}).values, base.values), 1e-6F) << "the router's weights";
}

}  // namespace
}  // namespace treble::internal
