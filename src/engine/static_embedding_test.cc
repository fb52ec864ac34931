// StaticEmbedding and model2vec's folders against sentence-transformers (tools/golden/static.py), and what they refuse.
#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <functional>

#include "base/test_folder.h"
#include "engine/golden_support.h"
#include "treble/bake.h"
#include "treble/calibrate.h"
#include "treble/error.h"
#include "treble/sentence_encoder.h"
#include "treble/tokens.h"

namespace treble::internal {
namespace {

namespace fs = std::filesystem;
using test::read_golden;
using test::source_path;

constexpr double kStaticTolerance = 1e-5;

fs::path static_folder(const std::string& name) { return source_path("tests/golden/static/" + name); }

SentenceEncoder load_static(const std::string& name) {
  return SentenceEncoder::load({.model = static_folder(name).string(), .threads = 2});
}

std::string static_refusal(const std::function<void()>& call, ErrorCode code) {
  try {
    call();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), code) << error.what();
    return error.what();
  }
  return "no error";
}

void expect_has(const std::string& message, const std::string& part) {
  EXPECT_NE(message.find(part), std::string::npos) << message << "\n  lacks: " << part;
}

TEST(StaticEmbeddingTest, EqualsSentenceTransformers) {
  const auto golden = parse_json_file(static_folder("cases.json"));
  const auto archive = TensorArchive::open_file(static_folder("expected.safetensors"));
  const auto texts = golden.at("texts").get<std::vector<std::string>>();
  for (const auto& one : golden.at("cases")) {
    const auto name = one.at("name").get<std::string>();
    const SentenceEncoder encoder = load_static(one.at("folder").get<std::string>());
    EncodeOptions options;
    if (one.at("prompt_name").is_string()) options.prompt_name = one.at("prompt_name").get<std::string>();
    const Embeddings all = encoder.encode(test::views(texts), options);
    const auto expected = read_golden(archive, name);
    ASSERT_EQ(all.values.size(), expected.values.size()) << name;
    double maximum = 0;
    for (std::size_t i = 0; i < all.values.size(); ++i) {
      // int8's rows reach into the hundreds.
      const double scale = std::max(1.0, std::abs(double{expected.values[i]}));
      maximum = std::max(maximum, std::abs(double{all.values[i]} - double{expected.values[i]}) / scale);
    }
    EXPECT_LE(maximum, kStaticTolerance) << name;
    for (std::size_t i = 0; i < texts.size(); ++i) {
      const std::string_view alone = texts[i];
      const auto single = encoder.encode({&alone, 1}, options);
      EXPECT_EQ(single.values, std::vector<float>(all.row(static_cast<std::int64_t>(i)).begin(),
                                                  all.row(static_cast<std::int64_t>(i)).end()))
          << name << ": " << i;
    }
  }
}

TEST(StaticEmbeddingTest, NoTokenIsTheZeroVector) {
  const SentenceEncoder encoder = load_static("normalized");
  const std::vector<std::string_view> texts = {"", "   ", "a"};
  const Embeddings vectors = encoder.encode(texts);
  for (std::int64_t text = 0; text < 2; ++text) {
    for (const float value : vectors.row(text)) EXPECT_EQ(value, 0) << text;
    EXPECT_EQ(vectors.token_counts[static_cast<std::size_t>(text)].tokens, 0);
  }
  EXPECT_GT(vectors.token_counts[2].used, 0);
}

TEST(StaticEmbeddingTest, LongTextsAreReadWhole) {
  const SentenceEncoder encoder = load_static("saved");
  std::string text;
  for (int i = 0; i < 30000; ++i) text += i % 3 == 0 ? "letter " : "a ";
  const std::string_view view = text;
  const Embeddings whole = encoder.encode({&view, 1});
  EXPECT_GE(whole.token_counts[0].tokens, 30000);
  EXPECT_EQ(whole.token_counts[0].used, whole.token_counts[0].tokens);
  // The mean of a text is that of what it repeats.
  const std::string_view part = "letter a a ";
  const Embeddings short_one = encoder.encode({&part, 1});
  for (std::int64_t i = 0; i < whole.dim; ++i) {
    EXPECT_NEAR(whole.values[static_cast<std::size_t>(i)], short_one.values[static_cast<std::size_t>(i)], 1e-5);
  }
}

TEST(StaticEmbeddingTest, InfoSaysWhatItIs) {
  const SentenceEncoder encoder = load_static("normalized");
  const ModelInfo& info = encoder.info();
  EXPECT_EQ(info.architecture, "StaticEmbedding");
  EXPECT_EQ(info.num_layers, 0);
  EXPECT_EQ(info.tempered_layers, 0);
  EXPECT_EQ(info.dim, 12);
  EXPECT_TRUE(info.normalizes);
  EXPECT_EQ(info.prompts.at("query"), "search the harbour: ");
  EXPECT_EQ(info.warnings, std::vector<std::string>());
  EXPECT_EQ(load_static("truncated").info().max_length, 4);
  EXPECT_EQ(load_static("truncated").info().truncation, Truncation::start);
  const auto alone = load_static("model2vec-alone").info();
  ASSERT_EQ(alone.warnings.size(), 1U);
  expect_has(alone.warnings.front(), "model2vec itself");
  EXPECT_EQ(encoder.weights_sha256().size(), 64U);
  EXPECT_NE(encoder.fingerprint().sha256, load_static("saved").fingerprint().sha256);
}

TEST(StaticEmbeddingTest, EveryComputeTypeIsTheSame) {
  const std::vector<std::string_view> texts = {"the ferry", "a long letter"};
  const auto exact = load_static("normalized").encode(texts).values;
  for (const ComputeType type : {ComputeType::bfloat16, ComputeType::int8, ComputeType::automatic}) {
    const auto encoder = SentenceEncoder::load({.model = static_folder("normalized").string(), .dtype = type});
    EXPECT_EQ(encoder.encode(texts).values, exact) << to_string(type);
  }
}

TEST(StaticEmbeddingTest, TokenVectorsAreTheRows) {
  const SentenceEncoder encoder = load_static("saved");
  const std::vector<std::string_view> texts = {"the ferry"};
  const auto tokens = token_embeddings(encoder, texts);
  const Embeddings mean = encoder.encode(texts);
  ASSERT_EQ(tokens[0].dim, mean.dim);
  for (std::int64_t i = 0; i < mean.dim; ++i) {
    double sum = 0;
    for (std::int64_t token = 0; token < tokens[0].num_tokens; ++token) {
      sum += double{tokens[0].values[static_cast<std::size_t>(token * mean.dim + i)]};
    }
    EXPECT_NEAR(sum / static_cast<double>(tokens[0].num_tokens), mean.values[static_cast<std::size_t>(i)], 1e-6);
  }
}

TEST(StaticEmbeddingTest, WhatNeedsLayersIsRefused) {
  const SentenceEncoder encoder = load_static("saved");
  const std::vector<std::string_view> texts = {"a"};
  EncodeOptions options;
  options.temperature = Temperature::parse("0.8");
  expect_has(static_refusal([&] { encoder.encode(texts, options); }, ErrorCode::unsupported),
             "would change nothing: saved has no attention layer");
  options = {};
  options.state = StateControl::parse("window:5");
  expect_has(static_refusal([&] { encoder.encode(texts, options); }, ErrorCode::unsupported), "has no state");
  expect_has(static_refusal([&] { calibrate(encoder, texts, {}); }, ErrorCode::unsupported), "no attention layer");
  const test::TestFolder folder;
  expect_has(static_refusal([&] { bake(static_folder("saved").string(), folder / "baked", Temperature::parse("0.8")); },
                            ErrorCode::unsupported),
             "no attention that a temperature could be baked into");
  const auto load = [](ModelOptions model) { SentenceEncoder::load(model); };
  const std::string path = static_folder("saved").string();
  expect_has(static_refusal([&] { load({.model = path, .adapter = path}); }, ErrorCode::unsupported), "adapter");
  expect_has(
      static_refusal([&] { load({.model = path, .extension = PositionExtension::ntk}); }, ErrorCode::unsupported),
      "a StaticEmbedding has none");
}

/// The message of loading a copy of `name` with other tensors.
std::string refusal_of(const std::string& name, const std::vector<TensorToWrite>& tensors, ErrorCode code) {
  const test::TestFolder folder;
  fs::copy(static_folder(name), folder / "model", fs::copy_options::recursive);
  write_safetensors(folder / "model" / "model.safetensors", tensors);
  return static_refusal([&] { SentenceEncoder::load({.model = (folder / "model").string()}); }, code);
}

TEST(StaticEmbeddingTest, HostileTablesAreNamed) {
  const std::vector<float> values(6, 1);
  const std::vector<std::int64_t> rows = {0, 1, 3};
  const auto floats = [&](const std::string& name, std::vector<std::int64_t> shape) {
    std::size_t size = sizeof(float);
    for (const auto axis : shape) size *= static_cast<std::size_t>(axis);
    return TensorToWrite{name, DType::kF32, std::move(shape), std::as_bytes(std::span(values)).first(size)};
  };
  const TensorToWrite mapping{"mapping", DType::kI64, {3}, std::as_bytes(std::span(rows))};
  const TensorToWrite levels{"embeddings", DType::kI8, {3, 2}, std::as_bytes(std::span(values)).first(6)};
  const TensorToWrite number{"mapping", DType::kF32, {3}, std::as_bytes(std::span(values)).first(12)};
  const auto invalid = ErrorCode::invalid_file;
  expect_has(refusal_of("saved", {floats("other", {3, 2})}, invalid), "neither \"embedding.weight\"");
  expect_has(refusal_of("saved", {floats("embedding.weight", {6})}, invalid), "[tokens, dimensions]");
  expect_has(refusal_of("saved", {floats("embedding.weight", {3, 2}), floats("more", {1})}, ErrorCode::unsupported),
             "\"more\" is none of a StaticEmbedding's");
  expect_has(refusal_of("model2vec", {floats("embeddings", {3, 2}), mapping}, invalid), "token 2 the row 3");
  expect_has(refusal_of("model2vec", {floats("embeddings", {3, 2}), number}, ErrorCode::unsupported), "type F32");
  expect_has(refusal_of("model2vec", {floats("embeddings", {3, 2}), floats("weights", {2})}, invalid),
             "\"weights\" is of 2 tokens, \"embeddings\" of 3");
  expect_has(refusal_of("model2vec", {levels}, ErrorCode::unsupported), "I8 without \"weights\"");
}

TEST(StaticEmbeddingTest, ATokenBeyondTheTableIsNamed) {
  const test::TestFolder folder;
  fs::copy(static_folder("saved"), folder / "model", fs::copy_options::recursive);
  const std::vector<float> values(6, 1);
  write_safetensors(
      folder / "model" / "model.safetensors",
      std::vector<TensorToWrite>{{"embedding.weight", DType::kF32, {3, 2}, std::as_bytes(std::span(values))}});
  const auto encoder = SentenceEncoder::load({.model = (folder / "model").string()});
  const std::vector<std::string_view> texts = {"", "the ferry"};
  expect_has(static_refusal([&] { encoder.encode(texts); }, ErrorCode::invalid_file), "text 1: ");
}

TEST(StaticEmbeddingTest, ModulesOfWholeWordsAreNamed) {
  const test::TestFolder folder;
  fs::copy(static_folder("saved"), folder / "model", fs::copy_options::recursive);
  for (const std::string name : {"WordEmbeddings", "WordWeights", "BoW", "CNN", "LSTM"}) {
    test::write_all(folder / "model" / "modules.json",
                    R"([{"idx":0,"name":"0","path":"","type":"sentence_transformers.models.StaticEmbedding"},)"
                    R"({"idx":1,"name":"1","path":"1","type":"sentence_transformers.models.)" +
                        name + R"("}])");
    const auto load = [&] { SentenceEncoder::load({.model = (folder / "model").string()}); };
    const std::string message = static_refusal(load, ErrorCode::unsupported);
    expect_has(message, "models." + name + ", which belongs to models of whole words");
  }
}

}  // namespace
}  // namespace treble::internal
